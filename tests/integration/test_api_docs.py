"""The OpenAPI document and the page that shows it, as a browser gets them."""

import re
from html.parser import HTMLParser

import httpx2

from admin_api.routes import all_operations
from tests.integration.api_client import ORIGIN, ClientOf

SCRIPT, STYLE, PICTURE = "text/javascript", "text/css", "image/png"


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


async def test_the_page_asks_nobody_else(client_of: ClientOf) -> None:
    """All that it names lies beside it and is there, with its type; the browser is told to allow nothing else."""
    nobody = client_of(None)
    page = await nobody.get(f"{ORIGIN}/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    names = Addresses()
    names.feed(page.text)
    types = {".js": SCRIPT, ".css": STYLE, ".png": PICTURE, ".json": "application/json"}
    assert len(names.found) == 5
    for name in names.found:
        assert not re.match(r"[a-z]+:|/", name), name
        answer = await nobody.get(f"{ORIGIN}/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].split(";")[0] == types[name[name.rindex(".") :]]
    policy = page.headers["content-security-policy"]
    allowed = {word for rule in policy.split("; ") for word in rule.split()[1:]}
    assert allowed == {"'none'", "'self'", "data:"}


async def test_our_script_starts_theirs(client_of: ClientOf) -> None:
    """The installed script is one that knows OpenAPI 3.1; ours shows our document and reports it to no validator."""
    nobody = client_of(None)
    ours, theirs = [(await nobody.get(f"{ORIGIN}/docs/{name}")).text for name in ("start.js", "swagger-ui-bundle.js")]
    assert 'url: "openapi.json"' in ours
    assert "validatorUrl: null" in ours
    version = re.search(r'PACKAGE_VERSION:"(\d+)\.', theirs)
    assert version
    assert int(version[1]) >= 5


async def test_only_what_is_named_is_served(client_of: ClientOf) -> None:
    """Nothing else of the package, and nothing beside it."""
    nobody = client_of(None)
    for path in ("/docs/", "/docs/index.html", "/docs/LICENSE", "/docs/../docs/__init__.py", "/docs/..%2f__init__.py"):
        assert (await nobody.get(f"{ORIGIN}{path}")).status_code == 404, path
    assert (await nobody.post(f"{ORIGIN}/docs")).status_code == 405
    assert isinstance(await nobody.head(f"{ORIGIN}/docs"), httpx2.Response)
