"""How a route is declared: all its inputs, checks and responses in one place."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from typing_extensions import TypeVar

from admin_api.http.app_context import Context
from admin_api.http.auth import Identity, Role
from admin_api.http.etag import parse_if_match
from distribution.optimistic_locking import Actor, Edit
from distribution.store.tables import MAX_ID

PREFIX = "/api/v1"
JSON = "application/json"


class Query(BaseModel):
    """A query without parameters; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


K = TypeVar("K", default=None)
B = TypeVar("B", default=None)
Q = TypeVar("Q", default=Query)


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[K, B, Q]):
    """A parsed request: who makes it (None: no token needed), from where, the id in its path, its body, its query."""

    context: Context
    identity: Identity | None
    key: K
    body: B
    query: Q
    headers: Headers
    host: str | None = None

    def edit(self) -> Edit:
        """Returns who makes the change, and which versions of the object they expect."""
        if self.identity is None:
            raise LookupError("an operation that needs no token has no actor")
        return Edit(Actor(self.identity.role.value, self.identity.name), parse_if_match(self.headers))


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What a handler returns: JSON data, or bytes of another media type."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class PathId:
    """What `{id}` in a path is: the kind of object, a parser, and a JSON schema."""

    kind: str
    parse: Callable[[str], int | UUID | None]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path. Without roles it needs no token and ignores the query.

    `body_optional`: a missing body means an empty object. `tagged`: successful responses carry an ETag, and a change of
    an object honours If-Match. `request_headers`: other headers it uses. `reads_body`: its handler gets the body as
    bytes. `problems`: statuses that do not follow from the rest.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[ApiRequest[Any, Any, Any]], Awaitable[ApiResponse]]
    roles: frozenset[Role]
    answers: Mapping[int, Any]
    key: PathId | None = None
    body: type[BaseModel] | None = None
    query: type[Query] = Query
    problems: tuple[int, ...] = ()
    body_optional: bool = False
    reads_body: bool = False
    tagged: bool = False
    request_headers: tuple[str, ...] = ()

    def max_bytes(self, context: Context) -> int:
        """Returns the largest allowed body: a message has the same limit over HTTP as over AMQP, also for admins."""
        return context.decoder.max_bytes if Role.BOT in self.roles else context.max_admin_bytes

    @property
    def is_conditional(self) -> bool:
        """Whether it changes an object that has an ETag."""
        return self.tagged and self.key is not None and self.method != "GET"

    @property
    def statuses(self) -> frozenset[int]:
        """Every status that it can return."""
        statuses = {*self.answers, *self.problems, 500, 503}
        if self.roles:
            statuses |= {401, 403, 422, 429}
        if self.key:
            statuses |= {404}
        if self.body:
            statuses |= {400, 413, 415}
        if self.is_conditional:
            statuses |= {412}
        return frozenset(statuses)


def number_key(kind: str) -> PathId:
    """Returns the declaration of a numeric id."""
    return PathId(kind, _number, {"type": "integer", "minimum": 1, "maximum": MAX_ID})


def uuid_key(kind: str) -> PathId:
    """Returns the declaration of a UUID id."""
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
