"""The result of a transaction, passed on to the code that acknowledges and publishes."""

from collections import Counter
from dataclasses import dataclass
from typing import Generic, TypeVar

from distribution.store.outbox import Claim, Publication

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """The outcome of each request, in order, and what to publish once the transaction is committed.

    `unserved`: sources with waiting contacts to assign in further transactions. `lock_seconds`: how long it took to
    lock the sources and operators. `claim`: the claim under which the caller publishes the first event of each contact.
    """

    outcomes: list[T]
    publications: list[Publication]
    unserved: frozenset[int] = frozenset()
    lock_seconds: float = 0.0
    claim: Claim | None = None

    @property
    def counts(self) -> Counter[T]:
        """How many outcomes there are of each kind."""
        return Counter(self.outcomes)
