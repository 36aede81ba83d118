"""Sources and weights: request bodies, response bodies and their serializers."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from admin_api.models.common import Body, Id, Name, Whole, absent
from distribution.admin.sources import shares
from distribution.event_shapes import Time
from distribution.ids import isoformat
from distribution.messages import SourceCode
from distribution.selection.pool import WEIGHTED_RANDOM
from distribution.selection.strategies import STRATEGIES
from distribution.store.sources import SourceRow
from distribution.store.weights import WeightRow

MAX_WINDOW = 366 * 24 * 3600
"""Of a source, in seconds."""


def _known_strategy(value: str) -> str:
    if value not in STRATEGIES:
        raise ValueError(f"must be one of: {', '.join(STRATEGIES)}")
    return value


DedupeWindow = Annotated[
    Annotated[int, Field(ge=0, le=MAX_WINDOW), Whole] | None, AfterValidator(lambda seconds: seconds or None)
]
Strategy = Annotated[str, AfterValidator(_known_strategy), Field(json_schema_extra={"enum": list(STRATEGIES)})]


class NewSource(Body):
    """A new source; its name defaults to its code.

    `dedupe_window`: for so many seconds after a contact the same payload of the same lead is that contact, whatever
    its key; null or 0: never.
    """

    code: SourceCode
    name: Name = Field(default_factory=absent)
    strategy: Strategy = WEIGHTED_RANDOM
    sticky: bool = False
    dedupe_window: DedupeWindow = None


class SourceChange(Body):
    """Changed fields of a source. Its code is what bots send and cannot change: create another source instead.

    A `dedupe_window` of null or 0 turns it off.
    """

    name: Name = Field(default_factory=absent)
    strategy: Strategy = Field(default_factory=absent)
    sticky: bool = Field(default_factory=absent)
    dedupe_window: DedupeWindow = None


class NewWeight(Body):
    """An operator's weight; with 0 it gets no contacts."""

    operator_id: Id
    weight: Annotated[int, Field(ge=0, le=10_000), Whole]


class NewWeights(Body):
    """All weights of a source."""

    operators: list[NewWeight]


StrategyName = Annotated[str, Field(json_schema_extra={"enum": [*STRATEGIES]})]


class SourceShape(TypedDict):
    """A source; `dedupe_window`: seconds in which the same payload of the same lead is the same contact, or null."""

    id: int
    code: str
    name: str
    strategy: StrategyName
    sticky: bool
    dedupe_window: int | None
    created_at: Time


class WeightShape(TypedDict):
    """An operator's weight for a source; `share` is the fraction it gets while no operator is at the limit, 0 to 1."""

    operator_id: int
    name: str
    weight: int
    share: float
    is_active: bool
    load: int
    max_active_contacts: int


class WeightsShape(TypedDict):
    """The weights of a source."""

    operators: list[WeightShape]


def source_shape(row: SourceRow) -> SourceShape:
    """Returns a source as the API shows it."""
    return {
        "id": row.id,
        "code": row.code,
        "name": row.name,
        "strategy": row.strategy,
        "sticky": row.sticky,
        "dedupe_window": row.dedupe_window,
        "created_at": isoformat(row.created_at),
    }


def weights_shape(rows: Sequence[WeightRow]) -> WeightsShape:
    """Returns the weights of a source as the API shows them."""
    return {
        "operators": [
            {
                "operator_id": row.operator_id,
                "name": row.name,
                "weight": row.weight,
                "share": share,
                "is_active": row.is_active,
                "load": row.load,
                "max_active_contacts": row.max_active_contacts,
            }
            for row, share in zip(rows, shares(rows), strict=True)
        ]
    }
