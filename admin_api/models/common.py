"""Types, pages, references and queries that request and response bodies of several nouns share."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from typing_extensions import TypedDict

from admin_api.http.cursor import NUMBER_CURSOR, UUID_CURSOR, cursor_of
from admin_api.http.operation import Query
from distribution.ids import isoformat
from distribution.messages import Text
from distribution.store.pagination import Page
from distribution.store.tables import MAX_ID

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
NUMBER = re.compile(r"[0-9]{1,19}")
# In a query, a + that is not encoded as %2B means a space. After the time of day it can only mean a +.
LOST_PLUS = re.compile(r"^(.*\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?) (\d\d(?::?\d\d){0,2})$")


def not_blank(value: str) -> str:
    """Returns the value; raises ValueError if it is blank."""
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def whole(value: object) -> object:
    """Returns an integral float as int: in JSON, 10.0 is the same number as 10."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def number(value: object) -> object:
    """Parses a whole number in a query."""
    if not (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise ValueError("must be a whole number")
    return int(value)


def moment_in_query(value: object) -> object:
    """Parses a time with its zone in a query."""
    try:
        moment = datetime.fromisoformat(LOST_PLUS.sub(r"\1+\2", value)) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2026-11-23T10:00:00Z or 2026-11-23T12:00:00%2B02:00")
    return moment


def truth(value: object) -> object:
    """Parses a boolean in a query."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def absent() -> Any:
    """The default of fields that may be left out of a PATCH but never be null; it is never read."""
    return None


Name = Annotated[
    Text,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
    AfterValidator(not_blank),
]
# Placed after the limits, which otherwise do not reach the JSON schema.
Whole = BeforeValidator(whole)
Id = Annotated[int, Field(ge=1, le=MAX_ID), Whole]
QueryId = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(number)]
QueryMoment = Annotated[datetime, BeforeValidator(moment_in_query)]
QueryText = Annotated[Text, Field(min_length=1, max_length=255)]
NumberCursor = Annotated[QueryText, Field(json_schema_extra={"pattern": NUMBER_CURSOR})]
UuidCursor = Annotated[QueryText, Field(json_schema_extra={"pattern": UUID_CURSOR})]


class Body(BaseModel):
    """A body that an admin writes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Nothing(Body):
    """An empty body."""


class PageQuery(Query):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(number)] = DEFAULT_LIMIT
    cursor: NumberCursor | None = None


class UuidPageQuery(PageQuery):
    """Which page of a list of objects with UUIDs."""

    cursor: UuidCursor | None = None


T = TypeVar("T")
R = TypeVar("R")


class PageShape(TypedDict, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None


def page_shape(page: Page[R, int] | Page[R, UUID], shape: Callable[[R], T]) -> PageShape[T]:
    """Returns the response body of a page."""
    return {"items": [shape(item) for item in page.items], "next_cursor": cursor_of(page.last)}


def time_or_null(moment: datetime | None) -> str | None:
    """Returns a time as text, or None."""
    return None if moment is None else isoformat(moment)
