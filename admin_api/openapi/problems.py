"""Error responses (RFC 9457) that all operations share."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from admin_api.http.problems import MEDIA_TYPE, TYPE_PREFIX


class FieldError(TypedDict):
    """A field and what is wrong with it."""

    field: str
    message: str


class Problem(TypedDict):
    """An RFC 9457 problem."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri", "examples": [f"{TYPE_PREFIX}not-found"]})]
    title: str
    status: int
    detail: str


class InvalidInput(Problem):
    """A problem with single fields or parameters."""

    errors: list[FieldError]


MEANINGS = {
    400: ("invalid-json", "The body is not valid JSON, or not an object."),
    401: ("unauthorized", "The token is missing or unknown."),
    403: ("forbidden", "The token's role does not permit this."),
    404: ("not-found", "The object does not exist."),
    409: ("conflict", "The request conflicts with the current state of the resource."),
    412: ("stale", "The object has changed since If-Match was read."),
    413: ("too-large", "The body is too large."),
    415: ("unsupported-media-type", "The body's encoding or charset is not supported; `detail` names it."),
    422: ("invalid-input", "A parameter or a field is invalid; `errors` names it."),
    429: ("too-many-wrong-tokens", "Too many unknown tokens from this address; a known token is accepted at any time."),
    500: ("internal", "An internal error; see the service's log."),
    503: ("unavailable", "The database is unavailable; retry later."),
}
HEADERS_OF = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def responses() -> dict[str, Any]:
    """Returns a response for each status of a problem."""
    return {f"Problem{status}": _response(status, *words) for status, words in MEANINGS.items()}


def _response(status: int, kind: str, meaning: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    example: dict[str, Any] = {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": meaning}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        example["errors"] = [{"field": "limit", "message": "must be 1 or more"}]
    schema = "InvalidInput" if "errors" in example else "Problem"
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}
    header = HEADERS_OF.get(status)
    headers = {"headers": {header: {"$ref": f"#/components/headers/{header}"}}} if header else {}
    return {"description": meaning, **headers, "content": content}
