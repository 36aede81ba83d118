"""One page of a list: rows after a key, never a count and never an offset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """Items in order; `last` is the key to go on after, None where this is the end."""

    items: list[T]
    last: K | None


def cut(rows: Sequence[T], limit: int, key: Callable[[T], K]) -> Page[T, K]:
    """The page out of `limit` + 1 rows: the one too many says that there is more."""
    items = list(rows[:limit])
    return Page(items, key(items[-1]) if len(rows) > limit else None)
