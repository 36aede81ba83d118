"""How a route is declared: everything that is asked, checked and answered stands in one place."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic
from uuid import UUID

from pydantic import BaseModel
from starlette.datastructures import Headers
from typing_extensions import TypeVar

from admin_api.http.app_context import Context
from admin_api.http.auth import Identity, Role
from distribution.store.tables import MAX_ID

PREFIX = "/api/v1"
JSON = "application/json"

K = TypeVar("K", default=None)
B = TypeVar("B", default=None)
Q = TypeVar("Q", default=None)


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[K, B, Q]):
    """One request, understood: who asks (None: anybody may) and from where, the id in its path, its body, its query."""

    context: Context
    identity: Identity | None
    key: K
    body: B
    query: Q
    headers: Headers
    host: str | None = None


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What a handler answers: JSON data, or bytes of another media type."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class PathId:
    """What `{id}` in a path is: of which kind of object, how it is read, and as JSON schema."""

    kind: str
    parse: Callable[[str], int | UUID | None]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path. Without roles anybody may; without a query model the query is not looked at.

    `body_optional`: no body at all is an empty object. `tagged`: its good answers carry an ETag. `conditional`: it
    heeds If-Match. `request_headers`: what else it heeds. `reads_body`: its handler gets the bytes of the body.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[ApiRequest[Any, Any, Any]], Awaitable[ApiResponse]]
    roles: frozenset[Role]
    answers: Mapping[int, Any]
    problems: tuple[int, ...] = ()
    key: PathId | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body_optional: bool = False
    reads_body: bool = False
    tagged: bool = False
    conditional: bool = False
    request_headers: tuple[str, ...] = ()

    def max_bytes(self, context: Context) -> int:
        """How large a body may be: a message is as large over HTTP as over AMQP, whoever sends it."""
        return context.decoder.max_bytes if Role.BOT in self.roles else context.max_admin_bytes

    @property
    def statuses(self) -> frozenset[int]:
        """Every status that it can answer."""
        found = {*self.answers, *self.problems, 500, 503}
        if self.roles:
            found |= {401, 403, 429}
        if self.body:
            found |= {400, 413, 415}
        if self.body or self.query:
            found |= {422}
        if self.conditional:
            found |= {412}
        return frozenset(found)


def number_key(kind: str) -> PathId:
    """An id that counts from 1."""
    return PathId(kind, _number, {"type": "integer", "minimum": 1, "maximum": MAX_ID})


def uuid_key(kind: str) -> PathId:
    """An id that is a UUID."""
    return PathId(kind, _uuid, {"type": "string", "format": "uuid"})


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))):
        return None
    number = int(text)
    return number if 0 < number <= MAX_ID else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == len(str(UUID(int=0))) else None
    except ValueError:
        return None
