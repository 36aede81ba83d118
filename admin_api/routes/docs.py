"""The OpenAPI and AsyncAPI documents, and pages that show them and load nothing from other hosts."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from admin_api import docs_page
from admin_api.asyncapi.document import asyncapi_document
from admin_api.http.auth import EVERYBODY
from admin_api.http.operation import ApiRequest, ApiResponse, Operation
from admin_api.openapi.document import document

PAGE = "/docs"
PAGES = Path(docs_page.__file__).parent
# Found, not imported: only their files are wanted. No folder with HTML: a page of ours has a policy, theirs has none.
PACKAGES: list[str | tuple[str, str]] = [
    ("mkdocs_swagger_ui_tag", "swagger-ui/javascripts"),
    ("mkdocs_swagger_ui_tag", "swagger-ui/stylesheets"),
    ("asyncapi_viewer", "static"),
]
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


class Documents:
    """The documents, made when they are first requested."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    async def openapi(self, _: ApiRequest) -> ApiResponse:
        """OpenAPI 3.1: the HTTP API."""
        return ApiResponse(200, self._openapi)

    async def asyncapi(self, _: ApiRequest) -> ApiResponse:
        """AsyncAPI 3.0: what bots publish and subscribers receive over RabbitMQ."""
        return ApiResponse(200, self._asyncapi)

    @cached_property
    def _openapi(self) -> bytes:
        return orjson.dumps(document([*self._operations, *self.operations()]))

    @cached_property
    def _asyncapi(self) -> bytes:
        return orjson.dumps(asyncapi_document())

    def operations(self) -> list[Operation]:
        """How they are requested."""
        return [
            Operation("GET", "/openapi.json", "This document", self.openapi, EVERYBODY, {200: dict[str, Any]}),
            Operation("GET", "/asyncapi.json", "Messages", self.asyncapi, EVERYBODY, {200: dict[str, Any]}),
        ]


def operations(described: Sequence[Operation]) -> list[Operation]:
    """The documents and the pages that show them."""
    return [
        *Documents(described).operations(),
        _page(PAGE, "A page to try the API", PAGES / "index.html"),
        _page(f"{PAGE}/events", "A page that shows the messages", PAGES / "events.html"),
    ]


def static_files() -> Mount:
    """Scripts and styles of the pages."""
    return Mount(f"{PAGE}/static", CachedFiles(directory=PAGES / "static", packages=PACKAGES))


class CachedFiles(StaticFiles):
    """Files that say how long they may be kept."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "max-age=3600"
        return response


def _page(path: str, summary: str, file: Path) -> Operation:
    return Operation("GET", path, summary, _serving(file), EVERYBODY, {200: str})


def _serving(file: Path) -> Callable[[ApiRequest], Awaitable[ApiResponse]]:
    content = cache(file.read_bytes)

    async def serve(_: ApiRequest) -> ApiResponse:
        """A page as it is."""
        return ApiResponse(200, await asyncio.to_thread(content), SECURITY, "text/html; charset=utf-8")

    return serve
