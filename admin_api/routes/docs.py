"""The OpenAPI document, and a page to try the API that loads nothing from other hosts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from admin_api import docs_page
from admin_api.http.auth import EVERYBODY
from admin_api.http.operation import ApiRequest, ApiResponse, Operation
from admin_api.openapi.document import document

DOCUMENT, PAGE = "/openapi.json", "/docs"
PACKAGE = "flask_swagger_ui"
OURS = Path(docs_page.__file__).parent
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
CACHED = {"Cache-Control": "max-age=3600"}
STYLE, SCRIPT, PICTURE = "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/png"


class OpenApiDocument:
    """The operations' document, made when it is first asked for."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    async def openapi(self, _: ApiRequest) -> ApiResponse:
        """OpenAPI 3.1 of everything this API does."""
        return ApiResponse(200, self._document)

    @cached_property
    def _document(self) -> bytes:
        return orjson.dumps(document([*self._operations, self.operation()]))

    def operation(self) -> Operation:
        """How the document is asked for."""
        return Operation("GET", DOCUMENT, "This document", self.openapi, EVERYBODY, {200: dict[str, Any]})


def operations(described: Sequence[Operation]) -> list[Operation]:
    """The document of these operations, the page that shows it, and what the page is made of."""
    theirs = _package() / "dist"
    return [
        OpenApiDocument(described).operation(),
        _file(PAGE, "A page to try the API", OURS / "index.html", "text/html; charset=utf-8", SECURITY),
        _file(f"{PAGE}/start.js", "Starts the page", OURS / "start.js", SCRIPT, CACHED),
        _file(f"{PAGE}/swagger-ui-bundle.js", "The page's script", theirs / "swagger-ui-bundle.js", SCRIPT, CACHED),
        _file(f"{PAGE}/swagger-ui.css", "The page's style", theirs / "swagger-ui.css", STYLE, CACHED),
        _file(f"{PAGE}/favicon-32x32.png", "The page's icon", theirs / "favicon-32x32.png", PICTURE, CACHED),
    ]


def _package() -> Path:
    # Found, not imported: it would bring Flask along, and only its files are wanted.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed", name=PACKAGE)
    return Path(spec.submodule_search_locations[0])


def _file(path: str, summary: str, file: Path, media_type: str, headers: dict[str, str]) -> Operation:
    return Operation("GET", path, summary, _serving(file, media_type, headers), EVERYBODY, {200: str})


def _serving(file: Path, media_type: str, headers: dict[str, str]) -> Callable[[ApiRequest], Awaitable[ApiResponse]]:
    # Read once: everybody may ask, and a thousand clients that do not read their answer would each hold a copy.
    content = cache(file.read_bytes)

    async def serve(_: ApiRequest) -> ApiResponse:
        """A file as it is."""
        return ApiResponse(200, await asyncio.to_thread(content), headers, media_type)

    return serve
