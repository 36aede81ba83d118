"""Bytes that a server and a proxy before it could read differently, and what every response says of itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api_process import running
from tests.integration.raw_http import GET, connected, log_of

POST, CHUNKED = b"POST /healthz HTTP/1.1\r\nHost: x\r\n", b"Transfer-Encoding: chunked\r\n"
TOKEN = "s3cret-of-an-admin"  # noqa: S105 - of a process that lives as long as the test
BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a process that all of these tests send to."""
    with running(tmp_path_factory.mktemp("wire"), ADMIN_API_TOKENS=f"admin:{TOKEN}") as (_, url):
        yield url


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", id="length and encoding"),
        pytest.param(POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", id="encoding and length"),
        pytest.param(POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", id="two lengths"),
        pytest.param(POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", id="a length twice"),
        pytest.param(POST + b"Content-Length: 5, 5\r\n\r\nhello", id="a list of lengths"),
        pytest.param(POST + b"Content-Length: +5\r\n\r\nhello", id="a length with a sign"),
        pytest.param(POST + b"Content-Length : 5\r\n\r\nhello", id="a space before the colon"),
        pytest.param(POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", id="two encodings"),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\nA: b\r\n c\r\n\r\n0\r\n\r\n", id="an obsolete fold"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="an unknown encoding"),
        pytest.param(b"GET /healthz HTTP/1.1\nHost: x\n\n", id="bare line feeds"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", id="a bare carriage return"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", id="a zero byte"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", id="two hosts"),
        pytest.param(POST + CHUNKED + b"\r\n-1\r\n\r\n", id="a negative chunk"),
        pytest.param(POST + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n", id="a chunk length with a prefix"),
        pytest.param(POST + CHUNKED + b"\r\n" + b"f" * 20 + b"\r\n", id="a chunk of 2^80 bytes"),
        pytest.param(POST + CHUNKED + b"\r\n5\nhello\n0\n\n", id="chunks with bare line feeds"),
        pytest.param(POST + CHUNKED + b"\r\n5\r\nhelloX\r\n0\r\n\r\n", id="a chunk that is too long"),
        pytest.param(b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", id="another version"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="a huge path"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000, id="an endless header"),
    ],
)
async def test_what_could_be_read_in_two_ways_ends_the_connection(server: str, request_bytes: bytes) -> None:
    """One refusal (or what came before it), and never an answer to what is smuggled in behind."""
    async with connected(server, request_bytes + GET) as [wire]:
        status, headers, body = await wire.response()
        assert headers["connection"] == "close", (status, body)
        assert status in (400, 405, 431)
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-content-type-options"] == "nosniff"
        assert await wire.rest() == b""


async def test_every_response_forbids_guessing_its_type(server: str) -> None:
    """Good ones, errors, the page, the metrics, what is no JSON; each says as well how long it may be kept."""
    for line, status in (
        (b"GET /healthz", 200), (b"GET /readyz", 200), (b"GET /metrics", 200), (b"GET /docs", 200),
        (b"GET /docs/static/start.js", 200), (b"GET /openapi.json", 200), (b"GET /api/v1/operators", 200),
        (b"GET /api/v1/operators/1", 404), (b"GET /nothing", 404), (b"DELETE /healthz", 405),
        (b"GET /api/v1/operators?limit=x", 422), (b"POST /api/v1/operators", 400),
    ):  # fmt: skip
        async with connected(server, line + b" HTTP/1.1\r\nHost: x\r\n" + BEARER + b"\r\n") as [wire]:
            found, headers, _ = await wire.response()
            assert (found, headers["x-content-type-options"]) == (status, "nosniff"), line
            assert "cache-control" in headers, line


async def test_requests_sent_ahead_are_answered_in_their_order(server: str) -> None:
    """Also where one of them asks for another protocol; after a malformed one nothing is."""
    upgrade = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with connected(server, GET + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + GET) as [wire]:
        assert [(await wire.response())[0] for _ in range(3)] == [200, 404, 200]
        assert await wire.is_open()
    async with connected(server, upgrade) as [wire]:
        assert (await wire.response())[0] == 200
        await wire.send(GET)
        assert (await wire.response())[0] == 200
    async with connected(server, GET + b"GET /healthz HTTP/1.1\nHost: x\n\n" + GET) as [wire]:
        assert (await wire.response())[0] == 200
        assert (await wire.rest()).count(b"HTTP/1.1") <= 1
    async with connected(server, GET * 1000) as [wire]:
        assert (await wire.rest()).count(b"200 OK") <= 20


async def test_chunks_may_have_extensions_and_trailers(server: str) -> None:
    """The body is what is between them; the connection stays."""
    start = b"POST /api/v1/operators HTTP/1.1\r\nHost: x\r\n" + BEARER + CHUNKED
    async with connected(server, start + b'\r\n5;a="b"\r\n{"nam\r\nB\r\ne": "Olga"}\r\n0\r\nA: b\r\n\r\n' + GET) as [
        wire
    ]:
        assert (await wire.response())[0] == 201
        assert (await wire.response())[0] == 200


async def test_a_refusal_instead_of_100_continue_ends_the_connection(server: str) -> None:
    """The client may send the body or not, so what follows could be either."""
    expecting = b"POST /api/v1/operators HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
    async with connected(server, expecting + b"\r\n") as [wire]:
        status, headers, _ = await wire.response()
        assert (status, headers["connection"]) == (401, "close")
    async with connected(server, expecting + BEARER + b"\r\n") as [wire]:
        assert (await wire.response())[0] == 100
        await wire.send(b"{}")
        assert (await wire.response())[0] == 422


async def test_malformed_requests_cannot_flood_the_log(tmp_path: Path) -> None:
    """The first is logged; the rest are counted."""
    with running(tmp_path) as (process, url):
        for _ in range(30):
            async with connected(url, b"nonsense\r\n\r\n") as [wire]:
                assert (await wire.response())[0] == 400
        assert [line["event"] for line in log_of(process)] == ["malformed_request_refused"]
