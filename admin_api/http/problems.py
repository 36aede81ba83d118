"""Every error as RFC 9457 application/problem+json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from distribution.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidField,
    MessageRejected,
    NotFound,
    ParkedCode,
    VersionConflict,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:contact-distribution:problem:"
RETRY_AFTER_SECONDS = "5"
MAX_ERRORS = 20
MAX_NAME = 100
REPRESENTATION = ("content_type", "content_encoding")
"""Fields of a message that say how its body is encoded."""


@dataclass(eq=False)
class RequestRejected(Exception):
    """A problem to respond with. `kind` becomes its type; `errors` are (field, message)."""

    status: int
    kind: str
    detail: str
    errors: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def invalid(errors: Sequence[tuple[str, str]]) -> RequestRejected:
    """Returns the problem of well-formed but invalid input; names the fields."""
    detail = "; ".join(f"{name}: {message}" for name, message in errors[:5])
    return RequestRejected(422, "invalid-input", detail, errors[:MAX_ERRORS])


def malformed(detail: str) -> RequestRejected:
    """Returns the problem of a body that is not JSON."""
    return RequestRejected(400, "invalid-json", detail)


def problem_of(error: Exception) -> RequestRejected:
    """Returns the problem for an error; an unexpected one is logged with its traceback and shown without details."""
    match error:
        case RequestRejected():
            return error
        case HTTPException(status_code=405):
            return RequestRejected(405, "method-not-allowed", "This path takes GET, HEAD.", headers=error.headers or {})
        case HTTPException(status_code=404):
            return RequestRejected(404, "not-found", "There is nothing at this path.")
        case NotFound():
            return RequestRejected(404, "not-found", str(error))
        case Conflict():
            return RequestRejected(409, "conflict", str(error))
        case VersionConflict():
            return RequestRejected(412, "stale", str(error))
        case InvalidField(field=name, message=message):
            return invalid([(name, message)])
        case MessageRejected():
            return _rejected(error)
        case DatabaseUnavailable():
            structlog.get_logger("admin_api").warning("database_unavailable", reason=str(error))
            detail = "The database does not answer; try again."
            return RequestRejected(503, "unavailable", detail, headers={"Retry-After": RETRY_AFTER_SECONDS})
    structlog.get_logger("admin_api").error("request_failed", exc_info=error)
    return RequestRejected(500, "internal", "Something went wrong here; the log has more.")


def respond(problem: RequestRejected) -> Response:
    """Returns the problem as a response."""
    content: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.kind,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        content["errors"] = [{"field": name, "message": message} for name, message in problem.errors]
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(orjson.dumps(content), problem.status, headers, MEDIA_TYPE)


def _rejected(error: MessageRejected) -> RequestRejected:
    if error.code == ParkedCode.KEY_REUSE:
        return RequestRejected(409, "key-reuse", error.detail)
    if error.errors:
        return invalid([(name[:MAX_NAME], what) for name, what in error.errors])
    if error.code == ParkedCode.INVALID_JSON:
        return malformed(error.detail)
    if error.code == ParkedCode.TOO_LARGE:
        return RequestRejected(413, "too-large", error.detail)
    if error.field in REPRESENTATION:
        return RequestRejected(415, "unsupported-media-type", error.detail)
    return invalid([(error.field or "body", error.detail)])
