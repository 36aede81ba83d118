"""The server's limits on a small application, with less patience than in production."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from serving.client_limits import Limits
from serving.config import Config
from tests.integration.raw_http import EMPTY, GET, HALF, Wire, connected
from tests.polling import until_true
from worker.health import HealthServer

SHORT = 0.3
LARGE = b"x" * 20_000_000
BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhel"
WORK, LOAD = GET.replace(b"/healthz", b"/work"), GET.replace(b"/healthz", b"/load")
PATIENT = Limits(connections=4)


@dataclass
class App:
    """Reads the body, unless of a PUT, and says ok; /work waits to be told, /load is large."""

    works: int = 0
    gone: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            if scope["method"] != "PUT":
                await Request(scope, receive).body()
        except ClientDisconnect:
            self.gone += 1
            return
        if scope["path"] == "/work":
            self.works += 1
            await self.go_on.wait()
        await PlainTextResponse(LARGE if scope["path"] == "/load" else b"ok")(scope, receive, send)


Serve = Callable[[Limits], AbstractAsyncContextManager[str]]


@pytest.fixture
def app() -> App:
    """The application behind the server."""
    return App()


@pytest.fixture
def serve(app: App) -> Serve:
    """Serves the application within these limits; gives its address."""

    @asynccontextmanager
    async def serving(limits: Limits) -> AsyncIterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = HealthServer(Config(app, limits, lifespan="off", timeout_graceful_shutdown=1))
            task = asyncio.create_task(server.serve([listening]))
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                app.go_on.set()
                server.should_exit = True
                await task

    return serving


async def test_a_body_has_to_arrive_in_time(serve: Serve, app: App) -> None:
    """A part of it, then a byte now and then: refused, and the application hears that the client is gone."""
    async with serve(Limits(connections=9, body=SHORT)) as url, connected(url, BODY, GET + BODY) as [late, second]:
        assert (await late.response())[0] == 408
        assert [(await second.response())[0] for _ in range(2)] == [200, 408]
        await until_true(lambda: app.gone == 2)


async def test_an_idle_connection_ends_without_a_word(serve: Serve) -> None:
    """After its last response, or before its first byte."""
    async with serve(Limits(connections=9, idle=SHORT, head=SHORT)) as url, connected(url, GET, EMPTY) as [used, new]:
        assert (await used.response())[0] == 200
        assert await used.rest() == await new.rest() == b""


async def test_the_rest_of_a_small_body_has_to_arrive_in_time(serve: Serve) -> None:
    """The response came before it."""
    async with (
        serve(Limits(connections=9, drain=SHORT)) as url,
        connected(url, BODY.replace(b"POST", b"PUT")) as [wire],
    ):
        assert (await wire.response())[0] == 200
        assert await wire.rest() == b""


async def test_a_response_has_to_be_read(serve: Serve) -> None:
    """Nobody reads it: the connection ends; slowly is enough."""
    async with serve(Limits(connections=9, stalled=SHORT)) as url, connected(url, LOAD, LOAD) as [lazy, slow]:
        lazy.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        got = await slowly(slow)
        assert got > len(LARGE)
        lazy.writer.transport.resume_reading()  # type: ignore[attr-defined]  # likewise
        assert len(await lazy.rest()) < len(LARGE)


async def slowly(wire: Wire) -> int:
    """Read a large response with pauses; returns its bytes."""
    got = 0
    while got < len(LARGE):
        got += len(await wire.reader.read(4_000_000))
        await asyncio.sleep(SHORT / 20)  # what is tested: a client that is slow, but reads
    return got


async def test_whoever_only_waits_makes_room(serve: Serve, app: App) -> None:
    """Of one client with many connections those go first that send nothing, then idle ones; never one at work."""
    with capture_logs() as logged:
        async with serve(PATIENT) as url, connected(url, WORK, GET, HALF, HALF) as [work, idle, *halves]:
            await until_true(lambda: app.works == 1)
            assert (await idle.response())[0] == 200
            async with connected(url, GET, GET, GET) as honest:
                assert [await wire.rest() for wire in (*halves, idle)] == [b""] * 3
                assert (await honest[-1].response())[0] == 200
            app.go_on.set()
            assert (await work.response())[0] == 200
    assert [line["event"] for line in logged] == ["connections_at_limit"]


async def test_the_client_with_the_most_connections_makes_room(serve: Serve) -> None:
    """Another one's idle connection stays, although it is older."""
    async with serve(PATIENT) as url, connected(url, GET) as [idle]:
        assert (await idle.response())[0] == 200
        async with connected(url, *[GET] * 9, source="127.0.0.2") as many:
            assert (await many[-1].response())[0] == 200
            assert await idle.is_open()


async def test_when_everything_is_at_work_new_connections_are_refused_at_once(serve: Serve, app: App) -> None:
    """With a hint to try again; afterwards there is room."""
    async with serve(PATIENT) as url, connected(url, *[WORK] * 4) as working:
        await until_true(lambda: app.works == 4)
        async with connected(url, EMPTY) as [refused]:
            status, headers, _ = await refused.response()
            assert (status, headers["retry-after"]) == (503, "5")
            assert await refused.rest() == b""
        app.go_on.set()
        assert [(await wire.response())[0] for wire in working] == [200] * 4
