"""The operators and sources that one transaction decides over."""

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
    """An operator and the number of active contacts it has at this moment of the transaction."""

    id: int
    name: str
    is_active: bool
    max_active_contacts: int
    load: int

    @property
    def free(self) -> int:
        """Places left; none for who is inactive or over the limit."""
        return max(0, self.max_active_contacts - self.load) if self.is_active else 0


@dataclass(frozen=True, slots=True)
class Source:
    """A source's rules; `weights` are (operator id, weight) in id order.

    `dedupe_window`: seconds in which the same payload of the same lead is the same contact; None: off.
    `has_contact_keys`: whether a contact of it has further keys, which this made.
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
        """(operator, weight) of everybody who could take a contact of this source now, in id order."""
        found = self._candidates.get(source_id)
        if found is None:
            weights = self.sources[source_id].weights
            found = [(self.operators[o], weight) for o, weight in weights if self.left_out(o, weight) is None]
            self._candidates[source_id] = found
        return found

    def cumulative(self, source_id: int) -> list[int]:
        """Sums of the weights of those eligible, up to and with each, in id order."""
        found = self._cumulative.get(source_id)
        if found is None:
            found = self._cumulative[source_id] = list(accumulate(weight for _, weight in self.eligible(source_id)))
        return found

    def shares(self, source_id: int) -> dict[tuple[int, int], float]:
        """By (source id, operator id), the part of the weights that each of those eligible has, in id order.

        Each of them has a deficit from here on.
        """
        found = self._shares.get(source_id)
        if found is None:
            total = self.cumulative(source_id)[-1]
            found = {(source_id, o.id): weight / total for o, weight in self.eligible(source_id)}
            self._shares[source_id] = found
            for key in found:
                self.deficits.setdefault(key, 0.0)
        return found

    def left_out(self, operator_id: int, weight: int) -> Exclusion | None:
        """The one reason why an operator is not eligible, or None if it is."""
        operator = self.operators[operator_id]
        if not operator.is_active:
            return Exclusion.INACTIVE
        if weight == 0:
            return Exclusion.ZERO_WEIGHT
        return Exclusion.AT_LIMIT if operator.free == 0 else None

    def change_load(self, operator_id: int, by: int) -> None:
        """Take (+1) or give back (-1) a place; who is eligible is worked out anew only where it changed."""
        operator = self.operators[operator_id]
        had_place = operator.free > 0
        operator.load += by
        if had_place != (operator.free > 0):
            for source_id in self._sources_of.get(operator_id, ()):
                self._candidates.pop(source_id, None)
                self._cumulative.pop(source_id, None)
                self._shares.pop(source_id, None)

    def all_left_out(self, source_id: int) -> list[tuple[Operator, Exclusion]]:
        """Everybody with a weight on the source who is not eligible, with the reason, in id order."""
        found = [(self.operators[o], self.left_out(o, weight)) for o, weight in self.sources[source_id].weights]
        return [(operator, reason) for operator, reason in found if reason is not None]

    def deficit(self, source_id: int, operator_id: int) -> float:
        """How many contacts of the source the operator is owed; below zero: has had too many."""
        return self.deficits.get((source_id, operator_id), 0.0)
