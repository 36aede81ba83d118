"""Every error as RFC 9457 application/problem+json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.responses import Response

from distribution.errors import Conflict, InvalidField, MessageRejected, NotFound, ParkedCode, StaleEdit
from distribution.store.failures import Failure, classify, in_words

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:contact-distribution:problem:"
RETRY_AFTER_SECONDS = "5"
MAX_ERRORS = 20
MAX_NAME = 100
REPRESENTATION = ("content_type", "content_encoding")
"""Fields of a message that say how its body is written."""


@dataclass(eq=False)
class Refused(Exception):
    """An answer that is a problem. `kind` becomes its type; `errors` are (field, message)."""

    status: int
    kind: str
    detail: str
    errors: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def invalid(errors: Sequence[tuple[str, str]]) -> Refused:
    """Well-formed but wrong: names the fields."""
    detail = "; ".join(f"{name}: {message}" for name, message in errors[:5])
    return Refused(422, "invalid-input", detail, errors[:MAX_ERRORS])


def malformed(detail: str) -> Refused:
    """Not JSON."""
    return Refused(400, "invalid-json", detail)


def problem_of(error: Exception) -> Refused:
    """What to answer; whatever is nobody's fault outside is logged whole and answered without details."""
    match error:
        case Refused():
            return error
        case NotFound():
            return Refused(404, "not-found", str(error))
        case Conflict():
            return Refused(409, "conflict", str(error))
        case StaleEdit():
            return Refused(412, "stale", str(error))
        case InvalidField(field=name, message=message):
            return invalid([(name, message)])
        case MessageRejected():
            return _rejected(error)
    log = structlog.get_logger("admin_api")
    if classify(error) is not Failure.CONTENT:
        log.warning("database_unavailable", reason=in_words(error))
        detail = "The database does not answer; try again."
        return Refused(503, "unavailable", detail, headers={"Retry-After": RETRY_AFTER_SECONDS})
    log.error("request_failed", exc_info=error)
    return Refused(500, "internal", "Something went wrong here; the log has more.")


def respond(problem: Refused) -> Response:
    """The problem as a response."""
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


def _rejected(error: MessageRejected) -> Refused:
    if error.code == ParkedCode.KEY_REUSE:
        return Refused(409, "key-reuse", error.detail)
    if error.errors:
        return invalid([(name[:MAX_NAME], what) for name, what in error.errors])
    if error.code == ParkedCode.INVALID_JSON:
        return malformed(error.detail)
    if error.code == ParkedCode.TOO_LARGE:
        return Refused(413, "too-large", error.detail)
    if error.field in REPRESENTATION:
        return Refused(415, "unsupported-media-type", error.detail)
    return invalid([(error.field or "body", error.detail)])
