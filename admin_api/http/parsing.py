"""Parses a request's path id, query and body; RequestRejected says what is wrong with them."""

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
    """Returns the id in the path; raises NotFound if no object can have it."""
    value = key.parse(text)
    if value is None:
        raise NotFound(key.kind, repr(text[:MAX_NAME]))
    return value


def parse_query(model: type[M], params: QueryParams) -> M:
    """Returns the query; a repeated or unknown parameter is rejected."""
    given = params.multi_items()
    repeated = [name for name, count in Counter(name for name, _ in given).items() if count > 1]
    if repeated:
        raise invalid([(name[:MAX_NAME], "is given more than once") for name in repeated])
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise _invalid(error) from None


async def read_body(request: Request, limit: int) -> bytes:
    """Returns the whole body; raises RequestRejected (413) if it is over the limit."""
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
    """Returns the body, parsed as JSON for any Content-Type; the limit applies to the decompressed body too."""
    text = paired(text_of(body, limit, headers.get("content-encoding"), headers.get("content-type")))
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            parsed(text)  # raises an error that says where
            raise malformed("The body is nested too deep.") from None
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> RequestRejected:
    errors = describe(error.errors(include_url=False, include_input=False))
    return invalid([(name[:MAX_NAME] or "body", what) for name, what in errors])


def _too_large(limit: int) -> RequestRejected:
    return RequestRejected(413, "too-large", f"The body has more than {limit} bytes.")
