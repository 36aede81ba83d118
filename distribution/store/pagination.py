"""One page of a list: rows after a key, never a count and never an offset; bounded in bytes if rows can be large."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")


LIST_BYTES = 1024 * 1024
"""How much content (payloads, bodies, states) a list holds; each row may be as large as a message."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T, K]):
    """Items in order; `last` is the key that the next page starts after, None if this is the last page."""

    items: list[T]
    last: K | None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], K]) -> Page[T, K]:
    """Returns the page of `limit` + 1 rows: an extra row means that there is a next page."""
    items = list(rows[:limit])
    return Page(items, key(items[-1]) if len(rows) > limit else None)


def fitting(sizes: Iterable[int], total: int = LIST_BYTES) -> int:
    """Returns how many of the first sizes fit into the total together."""
    return sum(1 for _ in takewhile(lambda so_far: so_far <= total, accumulate(sizes)))


def cut_by_size(rows: Sequence[tuple[K, int]], limit: int) -> Page[K, K]:
    """Returns the page of `limit` + 1 rows (key, bytes): as many as fit into LIST_BYTES, but at least one."""
    fits = max(1, fitting(size for _, size in rows[:limit]))
    page = page_of(rows, fits, lambda row: row[0])
    return Page([key for key, _ in page.items], page.last)
