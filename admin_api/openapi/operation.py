"""One operation: its parameters, body, responses and roles."""

from collections.abc import Sequence
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from admin_api.http.operation import JSON, PREFIX, Operation
from admin_api.openapi.descriptions import EXAMPLES, PARAMETERS, REQUEST_HEADERS, TEXT
from admin_api.openapi.schemas import Schemas

PLAIN = CONTENT_TYPE_LATEST.partition(";")[0]
SCHEME = "token"


def describe(operation: Operation, schemas: Schemas, operations: Sequence[Operation]) -> dict[str, Any]:
    """Returns the operation object; its responses link to the operations that take an id from them."""
    described: dict[str, Any] = {
        "operationId": _id(operation),
        "tags": [_tag(operation)],
        "summary": operation.summary,
        "description": _description(operation),
        "security": _security(operation),
        "x-roles": sorted(operation.roles),
        "parameters": [*_key(operation), *_query(operation, schemas), *_headers(operation)],
        "responses": {str(status): _response(operation, status, schemas) for status in sorted(operation.statuses)},
    }
    if links := _links(operation, operations):
        for status in operation.answers:
            described["responses"][str(status)]["links"] = links
    if operation.body:
        content = {"schema": schemas.body(operation.body)}
        if operation.body in EXAMPLES:
            content["example"] = EXAMPLES[operation.body]
        described["requestBody"] = {"required": not operation.body_optional, "content": {JSON: content}}
    return described


def _id(operation: Operation) -> str:
    first, *more = operation.handler.__name__.split("_")
    return first + "".join(word.capitalize() for word in more)


def _tag(operation: Operation) -> str:
    path = operation.path.removeprefix(PREFIX)
    return "service" if path == operation.path else path.split("/")[1]


def _description(operation: Operation) -> str:
    text = cleandoc(operation.handler.__doc__ or "")
    return f"{text}\n\nFor the roles: {', '.join(sorted(operation.roles))}." if operation.roles else text


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.roles:
        return [{SCHEME: []}]
    # One without roles that can return 401 needs a token unless a setting makes it public.
    return [{SCHEME: []}, {}] if HTTPStatus.UNAUTHORIZED in operation.problems else []


def _key(operation: Operation) -> list[dict[str, Any]]:
    if operation.key is None:
        return []
    text = f"The {operation.key.kind}'s id."
    return [{"name": "id", "in": "path", "required": True, "description": text, "schema": dict(operation.key.schema)}]


def _query(operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "description": PARAMETERS[name], "schema": schema}
        for name, schema in schemas.query(operation.query).items()
    ]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    names = [*(["If-Match"] if operation.is_conditional else []), *operation.request_headers]
    return [{"name": name, "in": "header", "description": REQUEST_HEADERS[name], **TEXT} for name in names]


def _response(operation: Operation, status: int, schemas: Schemas) -> dict[str, Any]:
    if status not in operation.answers:
        return {"$ref": f"#/components/responses/Problem{status}"}
    shape = operation.answers[status]
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if headers := _response_headers(operation, shape):
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    if shape is not None:
        response["content"] = {PLAIN: TEXT} if shape is str else {JSON: {"schema": schemas.answer(shape)}}
    return response


def _links(operation: Operation, operations: Sequence[Operation]) -> dict[str, Any]:
    place = "/items/0/id" if operation.method == "GET" else "/id"
    return {
        _id(other): {"operationId": _id(other), "parameters": {"id": f"$response.body#{place}"}}
        for other in operations
        if other.path.startswith(f"{operation.path}/{{id}}")
    }


def _response_headers(operation: Operation, shape: Any) -> list[str]:
    location = ["Location"] if HTTPStatus.CREATED in operation.answers else []
    return [*location, "ETag"] if operation.tagged and shape is not None else location
