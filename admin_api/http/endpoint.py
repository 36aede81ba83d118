"""Handles a request: authentication, authorization, parsing, then the handler; every error becomes a problem."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from admin_api.http.app_context import Context
from admin_api.http.auth import Identity, authorize
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation, Query
from admin_api.http.parsing import parse_body, parse_key, parse_query, read_body
from admin_api.http.problems import RequestRejected, problem_of, respond

HEADERS = {"Cache-Control": "no-store"}


class Endpoint:
    """The operations of one path, by method; an unknown path has none."""

    def __init__(self, context: Context, operations: Iterable[Operation] = ()) -> None:
        self._context = context
        self._by_method = {operation.method: operation for operation in operations}
        if "GET" in self._by_method:
            self._by_method["HEAD"] = self._by_method["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = Request(scope, receive)
        try:
            response = _response(await self._handle(request))
        except ClientDisconnect:
            return
        except Exception as error:
            response = respond(problem_of(error))
        await response(scope, receive, send)

    async def _handle(self, request: Request) -> ApiResponse:
        operation = self._by_method.get(request.method)
        identity = await self._identity(request, operation)
        if operation is None:
            raise self._no_operation()
        if operation.roles and identity is not None:
            authorize(identity, operation.roles)
        return await operation.handler(await self._api_request(request, operation, identity))

    async def _identity(self, request: Request, operation: Operation | None) -> Identity | None:
        """Returns who asks. Below the prefix, a client without a token does not learn which paths exist."""
        is_open = not operation.roles if operation else not request.scope["path"].startswith(PREFIX)
        if is_open:
            return None
        return await self._context.guesses.identify(request.headers, _host(request), self._context.tokens)

    def _no_operation(self) -> RequestRejected:
        if not self._by_method:
            return RequestRejected(404, "not-found", "There is nothing at this path.")
        allowed = ", ".join(sorted(self._by_method))
        return RequestRejected(405, "method-not-allowed", f"This path takes {allowed}.", headers={"Allow": allowed})

    async def _api_request(
        self, request: Request, operation: Operation, identity: Identity | None
    ) -> ApiRequest[Any, Any, Any]:
        path_params: Mapping[str, str] = request.path_params
        return ApiRequest(
            context=self._context,
            identity=identity,
            key=parse_key(operation.key, path_params["id"]) if operation.key else None,
            query=parse_query(operation.query, request.query_params) if operation.roles else Query(),
            body=await self._body(request, operation),
            headers=request.headers,
            host=_host(request),
        )

    async def _body(self, request: Request, operation: Operation) -> Any:
        if operation.body is None:
            return None
        limit = operation.max_bytes(self._context)
        body = await read_body(request, limit)
        if operation.reads_body:
            return body
        if operation.body_optional and not body:
            body = b"{}"
        return parse_body(operation.body, body, request.headers, limit)


def _host(request: Request) -> str | None:
    return request.client.host if request.client else None


def _response(api_response: ApiResponse) -> Response:
    if api_response.content is None:
        return Response(None, api_response.status, HEADERS | dict(api_response.headers))
    content = api_response.content if isinstance(api_response.content, bytes) else orjson.dumps(api_response.content)
    return Response(content, api_response.status, HEADERS | dict(api_response.headers), api_response.media_type)
