"""What comes in: bodies and queries. Strict in types; in bodies that admins write, unknown fields are refused."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from distribution.errors import ParkedCode
from distribution.messages import SourceCode, SubmissionBody, Text
from distribution.selection.pool import WEIGHTED_RANDOM
from distribution.selection.strategies import STRATEGIES
from distribution.store.tables import MAX_ID

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
NUMBER = re.compile(r"[0-9]{1,19}")


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _known_strategy(value: str) -> str:
    if value not in STRATEGIES:
        raise ValueError(f"must be one of: {', '.join(STRATEGIES)}")
    return value


def _number(value: object) -> object:
    if not (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise ValueError("must be a whole number")
    return int(value)


def _moment(value: object) -> object:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2026-11-23T10:00:00Z")
    return moment


def _not_yet(value: object) -> object:
    if value != "false":
        raise ValueError("is not available yet: the operator's contacts stay with it")
    return False


def _absent() -> Any:
    """For fields that may be left out of a PATCH but never be null; what was left out is never read."""
    return None


Name = Annotated[Text, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]
Limit = Annotated[int, Field(ge=0, le=1_000_000)]
Strategy = Annotated[str, AfterValidator(_known_strategy), Field(json_schema_extra={"enum": list(STRATEGIES)})]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]
QueryId = Annotated[Id, BeforeValidator(_number)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
QueryText = Annotated[Text, Field(min_length=1, max_length=255)]


class Body(BaseModel):
    """A body that an admin writes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class NewOperator(Body):
    """An operator to make."""

    name: Name
    is_active: bool = True
    max_active_contacts: Limit = 10


class OperatorChange(Body):
    """What to change of an operator."""

    name: Name = Field(default_factory=_absent)
    is_active: bool = Field(default_factory=_absent)
    max_active_contacts: Limit = Field(default_factory=_absent)


class NewSource(Body):
    """A source to make; its name is its code where none is given."""

    code: SourceCode
    name: Name = Field(default_factory=_absent)
    strategy: Strategy = WEIGHTED_RANDOM
    sticky: bool = False


class SourceChange(Body):
    """What to change of a source. Its code is what bots send, so it stays: make another source instead."""

    name: Name = Field(default_factory=_absent)
    strategy: Strategy = Field(default_factory=_absent)
    sticky: bool = Field(default_factory=_absent)


class NewWeight(Body):
    """An operator's weight; 0 is never."""

    operator_id: Id
    weight: Annotated[int, Field(ge=0, le=10_000)]


class NewWeights(Body):
    """All weights of a source."""

    operators: list[NewWeight]


class NewContact(SubmissionBody):
    """The body of `contact.submit` and its key; unknown fields are ignored, as in a message."""

    message_id: str | None = None


class Query(BaseModel):
    """A query without parameters: every one that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OperatorChangeQuery(Query):
    """How to change an operator."""

    reassign: Annotated[bool, BeforeValidator(_not_yet)] = False


class PageQuery(Query):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_number)] = DEFAULT_LIMIT
    cursor: QueryText | None = None


class ContactsQuery(PageQuery):
    """Which contacts: `created_from` counts in, `created_to` does not."""

    status: Literal["waiting", "active", "closed"] | None = None
    source: SourceCode | None = None
    operator_id: QueryId | None = None
    lead_id: QueryId | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None


class LeadsQuery(PageQuery):
    """Which leads."""

    external_id: QueryText | None = None
    phone: QueryText | None = None
    email: QueryText | None = None


class ParkedQuery(PageQuery):
    """Which parked messages."""

    state: Literal["deferred", "rejected", "replayed", "dropped"] | None = None
    code: ParkedCode | None = None
    source: SourceCode | None = None
