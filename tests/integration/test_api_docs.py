"""The documents and the pages that show them, as a browser gets them."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import urljoin

import pytest

from admin_api.asyncapi.document import asyncapi_document
from admin_api.routes import all_operations
from tests.integration.api_client import ORIGIN, ClientOf

SCRIPT, STYLE, PICTURE = "text/javascript", "text/css", "image/svg+xml"
PAGES = pytest.mark.parametrize("page", ["/docs", "/docs/events"])


class Addresses(HTMLParser):
    """Every address that a page names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what the tag points to; no tag holds a script or a style of its own."""
        names = dict(attrs)
        assert not {name for name in names if name == "style" or name.startswith("on")}
        assert tag != "style"
        assert tag != "script" or names.get("src")
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


async def test_the_document_is_there_without_a_token(client_of: ClientOf) -> None:
    """Everybody may read what the API is; it names every path that is served."""
    answer = await client_of(None).get(f"{ORIGIN}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    served = {operation.path for operation in all_operations() if not operation.path.startswith("/docs")}
    assert set(answer.json()["paths"]) == served


async def test_the_messages_are_there_without_a_token(client_of: ClientOf) -> None:
    """What the broker carries is no secret either; it is the document that the repository holds."""
    answer = await client_of(None).get(f"{ORIGIN}/asyncapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == asyncapi_document()


@PAGES
async def test_a_page_asks_nobody_else(client_of: ClientOf, page: str) -> None:
    """All that it names is there, with its type; the browser is told to allow nothing else."""
    anonymous = client_of(None)
    shown = await anonymous.get(f"{ORIGIN}{page}")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    names = Addresses()
    names.feed(shown.text)
    types = {".js": SCRIPT, ".css": STYLE, ".svg": PICTURE, ".json": "application/json", "": "text/html"}
    assert len(names.found) >= 5
    for name in names.found:
        assert not re.match(r"[a-z]+:|/", name), name
        answer = await anonymous.get(urljoin(f"{ORIGIN}{page}", name))
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].split(";")[0] == types[PurePosixPath(name).suffix]
    policy = shown.headers["content-security-policy"]
    allowed = {word for rule in policy.split("; ") for word in rule.split()[1:]}
    assert allowed == {"'none'", "'self'", "data:"}


async def test_our_script_starts_theirs(client_of: ClientOf) -> None:
    """The installed script is one that knows OpenAPI 3.1; ours shows our document and reports it to no validator."""
    anonymous = client_of(None)
    ours, theirs = [
        (await anonymous.get(f"{ORIGIN}/docs/static/{name}")).text for name in ("start.js", "swagger-ui-bundle.js")
    ]
    assert 'url: "openapi.json"' in ours
    assert "validatorUrl: null" in ours
    version = re.search(r'PACKAGE_VERSION:"(\d+)\.', theirs)
    assert version
    assert int(version[1]) >= 5


@pytest.mark.parametrize(
    "path",
    [
        "/docs/",
        "/docs/index.html",
        "/docs/static",
        "/docs/static/",
        "/docs/static/index.html",
        "/docs/static/swagger.html",
        "/docs/static/LICENSE",
        "/docs/static/../__init__.py",
        "/docs/static/..%2f__init__.py",
        "/docs/static/%2e%2e/events.html",
        "/docs/static/%00",
    ],
)
async def test_nothing_beside_scripts_and_styles_is_served(client_of: ClientOf, path: str) -> None:
    """Neither our package, nor pages of others, which would have no policy; what is not there is a problem."""
    answer = await client_of(None).get(f"{ORIGIN}{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


@pytest.mark.parametrize("path", ["/docs", "/docs/events", "/docs/static/start.js"])
async def test_pages_and_files_are_only_read(client_of: ClientOf, path: str) -> None:
    """GET and HEAD; any other method is told so."""
    anonymous = client_of(None)
    assert (await anonymous.head(f"{ORIGIN}{path}")).status_code == 200
    refused = await anonymous.post(f"{ORIGIN}{path}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert refused.headers["content-type"] == "application/problem+json"


def test_what_the_pages_load_comes_without_its_framework() -> None:
    """The packages whose files are served are found, never imported: none of their dependencies is loaded."""
    code = "import sys, admin_api.app as app; app.static_files(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # noqa: S603  # our code
    assert not {"mkdocs_swagger_ui_tag", "asyncapi_viewer", "bs4", "markdown", "flask"} & set(loaded.split())
