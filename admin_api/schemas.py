"""Request bodies and queries. Strict in types; in bodies that admins write, unknown fields are refused."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from admin_api.http.cursor import NUMBER_CURSOR, UUID_CURSOR
from distribution.audit import Action, AuditRole
from distribution.errors import ParkedCode
from distribution.messages import MAX_KEY_BYTES, BlankOrText, SourceCode, SubmissionBody, Text
from distribution.selection.pool import WEIGHTED_RANDOM
from distribution.selection.strategies import STRATEGIES
from distribution.store.tables import MAX_ID

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_WINDOW = 366 * 24 * 3600
"""Of a source, in seconds."""
NUMBER = re.compile(r"[0-9]{1,19}")
# In a query a + that was not written %2B means a space. Behind the time of day nothing else can be meant by one.
LOST_PLUS = re.compile(r"^(.*\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?) (\d\d(?::?\d\d){0,2})$")
# Checked where the key is read, from the body or from its header.
KEY_IN_SCHEMA: JsonDict = {"minLength": 1, "maxLength": MAX_KEY_BYTES, "pattern": r"^[^\u0000]*$"}


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _known_strategy(value: str) -> str:
    if value not in STRATEGIES:
        raise ValueError(f"must be one of: {', '.join(STRATEGIES)}")
    return value


def _whole(value: object) -> object:
    """To JSON, 10.0 is the same number as 10."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: object) -> object:
    if not (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise ValueError("must be a whole number")
    return int(value)


def _moment(value: object) -> object:
    try:
        moment = datetime.fromisoformat(LOST_PLUS.sub(r"\1+\2", value)) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2026-11-23T10:00:00Z or 2026-11-23T12:00:00%2B02:00")
    return moment


def _truth(value: object) -> object:
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def _absent() -> Any:
    """For fields that may be left out of a PATCH but never be null; what was left out is never read."""
    return None


Name = Annotated[
    Text,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
    AfterValidator(_not_blank),
]
# After the limits, which otherwise do not reach the JSON schema.
Whole = BeforeValidator(_whole)
Limit = Annotated[int, Field(ge=0, le=1_000_000), Whole]
DedupeWindow = Annotated[
    Annotated[int, Field(ge=0, le=MAX_WINDOW), Whole] | None, AfterValidator(lambda seconds: seconds or None)
]
Strategy = Annotated[str, AfterValidator(_known_strategy), Field(json_schema_extra={"enum": list(STRATEGIES)})]
Id = Annotated[int, Field(ge=1, le=MAX_ID), Whole]
QueryId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_number)]
QueryMoment = Annotated[datetime, BeforeValidator(_moment)]
QueryText = Annotated[Text, Field(min_length=1, max_length=255)]
NumberCursor = Annotated[QueryText, Field(json_schema_extra={"pattern": NUMBER_CURSOR})]
UuidCursor = Annotated[QueryText, Field(json_schema_extra={"pattern": UUID_CURSOR})]


class Body(BaseModel):
    """A body that an admin writes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class NewOperator(Body):
    """A new operator."""

    name: Name
    is_active: bool = True
    max_active_contacts: Limit = 10


class OperatorChange(Body):
    """Changed fields of an operator."""

    name: Name = Field(default_factory=_absent)
    is_active: bool = Field(default_factory=_absent)
    max_active_contacts: Limit = Field(default_factory=_absent)


class NewSource(Body):
    """A new source; its name defaults to its code.

    `dedupe_window`: for so many seconds after a contact the same payload of the same lead is that contact, whatever
    its key; null or 0: never.
    """

    code: SourceCode
    name: Name = Field(default_factory=_absent)
    strategy: Strategy = WEIGHTED_RANDOM
    sticky: bool = False
    dedupe_window: DedupeWindow = None


class SourceChange(Body):
    """Changed fields of a source. Its code is what bots send and cannot change: create another source instead.

    A `dedupe_window` of null or 0 turns it off.
    """

    name: Name = Field(default_factory=_absent)
    strategy: Strategy = Field(default_factory=_absent)
    sticky: bool = Field(default_factory=_absent)
    dedupe_window: DedupeWindow = None


class NewWeight(Body):
    """An operator's weight; with 0 it gets no contacts."""

    operator_id: Id
    weight: Annotated[int, Field(ge=0, le=10_000), Whole]


class NewWeights(Body):
    """All weights of a source."""

    operators: list[NewWeight]


class NewContact(SubmissionBody):
    """The body of `contact.submit` and its key; unknown fields are ignored, as in a message."""

    message_id: Annotated[str, Field(json_schema_extra=KEY_IN_SCHEMA)] | None = None


class Nothing(Body):
    """An empty body."""


class ContactClosing(Body):
    """Why a contact is closed."""

    reason: BlankOrText = None


class ContactAssignment(Body):
    """The operator to assign a contact to; `force`: even over the limit."""

    operator_id: Id
    force: bool = False


class CodeReplay(Body):
    """The code whose parked messages are replayed."""

    code: ParkedCode


class Query(BaseModel):
    """A query without parameters; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OperatorChangeQuery(Query):
    """How to change an operator: `reassign` moves its contacts away, and requires `is_active: false` in the body."""

    reassign: Annotated[bool, BeforeValidator(_truth)] = False


class PageQuery(Query):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(_number)] = DEFAULT_LIMIT
    cursor: NumberCursor | None = None


class UuidPageQuery(PageQuery):
    """Which page of a list of objects with UUIDs."""

    cursor: UuidCursor | None = None


class ContactsQuery(UuidPageQuery):
    """Which contacts: `created_from` is inclusive, `created_to` exclusive."""

    status: Literal["waiting", "active", "closed"] | None = None
    source: SourceCode | None = None
    operator_id: QueryId | None = None
    lead_id: QueryId | None = None
    created_from: QueryMoment | None = None
    created_to: QueryMoment | None = None


class LeadsQuery(PageQuery):
    """Which leads."""

    external_id: QueryText | None = None
    phone: QueryText | None = None
    email: QueryText | None = None


class ParkedQuery(UuidPageQuery):
    """Which parked messages."""

    state: Literal["deferred", "rejected", "replayed", "dropped"] | None = None
    code: ParkedCode | None = None
    source: SourceCode | None = None


class AuditQuery(UuidPageQuery):
    """Which rows of the audit: of an object (`object_id` within its `object_kind`), of an action, of an actor."""

    object_kind: Literal["operator", "source", "contact", "parked"] | None = None
    object_id: QueryText | None = None
    action: Action | None = None
    role: AuditRole | None = None
    name: QueryText | None = None
