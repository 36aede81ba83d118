"""The OpenAPI and AsyncAPI documents, and pages that show them and load nothing from other hosts."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

from admin_api import docs_page
from admin_api.asyncapi.document import asyncapi_document
from admin_api.http.auth import EVERYBODY
from admin_api.http.operation import ApiRequest, ApiResponse, Operation
from admin_api.openapi.document import document

PAGE = "/docs"
PART_BYTES = 64 * 1024
PAGES = Path(docs_page.__file__).parent
# Located without importing: only their files are needed. No folders with HTML: their pages lack our security policy.
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
    """The documents, built when they are first requested."""

    def __init__(self, described: Sequence[Operation]) -> None:
        self.operations = (
            Operation("GET", "/openapi.json", "This document", self.openapi, EVERYBODY, {200: dict[str, Any]}),
            Operation("GET", "/asyncapi.json", "Messages", self.asyncapi, EVERYBODY, {200: dict[str, Any]}),
        )
        self._described = [*described, *self.operations]

    async def openapi(self, _: ApiRequest) -> ApiResponse:
        """OpenAPI 3.1: the HTTP API."""
        return ApiResponse(200, self._openapi)

    async def asyncapi(self, _: ApiRequest) -> ApiResponse:
        """AsyncAPI 3.0: what bots publish and subscribers receive over RabbitMQ."""
        return ApiResponse(200, self._asyncapi)

    @cached_property
    def _openapi(self) -> bytes:
        return orjson.dumps(document(self._described))

    @cached_property
    def _asyncapi(self) -> bytes:
        return orjson.dumps(asyncapi_document())


def operations(described: Sequence[Operation]) -> list[Operation]:
    """Returns the operations of the documents and of the pages that show them."""
    return [
        *Documents(described).operations,
        _page(PAGE, "A page to try the API", PAGES / "index.html"),
        _page(f"{PAGE}/events", "A page that shows the messages", PAGES / "events.html"),
    ]


def static_files() -> Mount:
    """Returns the route of the pages' scripts and styles."""
    return Mount(f"{PAGE}/static", CachedFiles(directory=PAGES / "static", packages=PACKAGES))


class CachedFiles(StaticFiles):
    """Static files that may be cached for an hour.

    Each is read once: a client that reads slowly must not hold an open file, of which there are as many as connections.
    """

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Returns the whole file, or 304 if it has not changed; ranges are not supported."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        if isinstance(response, FileResponse):
            headers = {name: response.headers[name] for name in ("etag", "last-modified", "content-length")}
            content = _content(str(full_path), stat_result.st_mtime_ns)
            response = StreamingResponse(_parts(content), status_code, headers, response.media_type)
        response.headers["Cache-Control"] = "max-age=3600"
        return response


@cache
def _content(path: str, _modified_at: int) -> bytes:
    return Path(path).read_bytes()


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    """In parts, so that the server buffers only one of them for a client that reads slowly."""
    for start in range(0, len(content), PART_BYTES):
        yield content[start : start + PART_BYTES]


def _page(path: str, summary: str, file: Path) -> Operation:
    return Operation("GET", path, summary, _file_handler(file), EVERYBODY, {200: str})


def _file_handler(file: Path) -> Callable[[ApiRequest], Awaitable[ApiResponse]]:
    content = cache(file.read_bytes)

    async def serve(_: ApiRequest) -> ApiResponse:
        """A page as it is."""
        return ApiResponse(200, await asyncio.to_thread(content), SECURITY, "text/html; charset=utf-8")

    return serve
