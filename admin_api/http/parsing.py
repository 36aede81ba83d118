"""Reads what a request holds: the id in its path, its query, its body; RequestRejected says what is wrong with it."""

from collections import Counter
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request

from admin_api.http.operation import PathId
from admin_api.http.problems import MAX_NAME, RequestRejected, invalid, malformed
from distribution.errors import NotFound
from distribution.messages import describe, paired, parsed, text_of

M = TypeVar("M", bound=BaseModel)


def parse_key(key: PathId, text: str) -> int | UUID:
    """The id in the path; NotFound where nothing can have it."""
    found = key.parse(text)
    if found is None:
        raise NotFound(key.kind, repr(text[:MAX_NAME]))
    return found


def parse_query(model: type[M], params: QueryParams) -> M:
    """The query; every parameter at most once, and none that is not known."""
    given = params.multi_items()
    repeated = [name for name, count in Counter(name for name, _ in given).items() if count > 1]
    if repeated:
        raise invalid([(name[:MAX_NAME], "is given more than once") for name in repeated])
    try:
        return model.model_validate(dict(given))
    except ValidationError as wrong:
        raise _invalid(wrong) from None


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, as long as it is within the limit."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def parse_body(model: type[M], body: bytes, headers: Headers, limit: int) -> M:
    """The body as JSON, whatever media type Content-Type names; unpacked it is within the limit too."""
    text = paired(text_of(body, limit, headers.get("content-encoding"), headers.get("content-type")))
    try:
        return model.model_validate_json(text)
    except ValidationError as wrong:
        if wrong.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            parsed(text)  # says where
            raise malformed("The body is nested too deep.") from None
        raise _invalid(wrong) from None


def _invalid(wrong: ValidationError) -> RequestRejected:
    errors = describe(wrong.errors(include_url=False, include_input=False))
    return invalid([(name[:MAX_NAME] or "body", what) for name, what in errors])


def _too_large(limit: int) -> RequestRejected:
    return RequestRejected(413, "too-large", f"The body has more than {limit} bytes.")
