"""The operators and sources that one transaction works with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

WEIGHTED_RANDOM = "weighted_random"
SMOOTH_WEIGHTED = "smooth_weighted"
LEAST_LOADED = "least_loaded"
STICKY = "sticky"


class Exclusion(StrEnum):
    """Why an operator was not eligible: the first that holds."""

    INACTIVE = "inactive"
    ZERO_WEIGHT = "zero_weight"
    AT_LIMIT = "at_limit"


@dataclass(slots=True)
class Operator:
    """An operator and its current number of active contacts in the transaction."""

    id: int
    name: str
    is_active: bool
    max_active_contacts: int
    load: int

    @property
    def free(self) -> int:
        """Free places; 0 if the operator is inactive or over the limit."""
        return max(0, self.max_active_contacts - self.load) if self.is_active else 0


@dataclass(frozen=True, slots=True)
class Source:
    """A source's rules; `weights` are (operator id, weight) in id order.

    `dedupe_window`: seconds in which the same payload of the same lead is the same contact; None: off.
    `has_contact_keys`: whether that window gave any of its contacts further keys.
    """

    id: int
    code: str
    strategy: str
    sticky: bool
    weights: tuple[tuple[int, int], ...]
    dedupe_window: int | None = None
    has_contact_keys: bool = False


class Pool:
    """Operators by id, sources by id, and for each source its eligible operators with their weights.

    `deficits`: by (source id, operator id), contacts of a `smooth_weighted` source that the operator is owed.
    """

    def __init__(
        self,
        operators: Iterable[Operator],
        sources: Iterable[Source],
        deficits: Mapping[tuple[int, int], float] | None = None,
    ) -> None:
        self.operators = {o.id: o for o in operators}
        self.sources = {s.id: s for s in sources}
        self.deficits = dict(deficits or {})
        self._candidates: dict[int, list[tuple[Operator, int]]] = {}
        self._cumulative: dict[int, list[int]] = {}
        self._shares: dict[int, dict[tuple[int, int], float]] = {}
        self._sources_of: dict[int, list[int]] = {}
        for source in self.sources.values():
            for operator_id, _ in source.weights:
                self._sources_of.setdefault(operator_id, []).append(source.id)

    def eligible(self, source_id: int) -> list[tuple[Operator, int]]:
        """(operator, weight) of each operator who can take a contact of this source now, in id order."""
        candidates = self._candidates.get(source_id)
        if candidates is None:
            weights = self.sources[source_id].weights
            candidates = [(self.operators[o], weight) for o, weight in weights if self.left_out(o, weight) is None]
            self._candidates[source_id] = candidates
        return candidates

    def cumulative(self, source_id: int) -> list[int]:
        """Cumulative weights of the eligible operators, in id order."""
        sums = self._cumulative.get(source_id)
        if sums is None:
            sums = self._cumulative[source_id] = list(accumulate(weight for _, weight in self.eligible(source_id)))
        return sums

    def shares(self, source_id: int) -> dict[tuple[int, int], float]:
        """By (source id, operator id), the share of the total weight of each eligible operator, in id order.

        Also gives each of them a deficit of 0 if it has none.
        """
        shares = self._shares.get(source_id)
        if shares is None:
            total = self.cumulative(source_id)[-1]
            shares = {(source_id, o.id): weight / total for o, weight in self.eligible(source_id)}
            self._shares[source_id] = shares
            for key in shares:
                self.deficits.setdefault(key, 0.0)
        return shares

    def left_out(self, operator_id: int, weight: int) -> Exclusion | None:
        """The first reason why an operator is not eligible, or None if it is."""
        operator = self.operators[operator_id]
        if not operator.is_active:
            return Exclusion.INACTIVE
        if weight == 0:
            return Exclusion.ZERO_WEIGHT
        return Exclusion.AT_LIMIT if operator.free == 0 else None

    def change_load(self, operator_id: int, by: int) -> None:
        """Take (+1) or free (-1) a place; eligibility is recomputed only for sources where it changed."""
        operator = self.operators[operator_id]
        had_place = operator.free > 0
        operator.load += by
        if had_place != (operator.free > 0):
            for source_id in self._sources_of.get(operator_id, ()):
                self._candidates.pop(source_id, None)
                self._cumulative.pop(source_id, None)
                self._shares.pop(source_id, None)

    def all_left_out(self, source_id: int) -> list[tuple[Operator, Exclusion]]:
        """Each operator of the source who is not eligible, with the reason, in id order."""
        reasons = [(self.operators[o], self.left_out(o, weight)) for o, weight in self.sources[source_id].weights]
        return [(operator, reason) for operator, reason in reasons if reason is not None]

    def deficit(self, source_id: int, operator_id: int) -> float:
        """How many contacts of the source the operator is owed; negative if it has had too many."""
        return self.deficits.get((source_id, operator_id), 0.0)
