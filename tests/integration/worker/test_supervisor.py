"""The connection to the broker: which one, how often, and what ends it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

import pytest
from structlog.testing import capture_logs
from yarl import URL

from devservices.broker import Broker, broker
from tests.clients import PATIENCE_SECONDS
from tests.polling import until_true
from worker.broker.connection import Connection, connect, open_connection, until_lost
from worker.broker.connection_errors import ConnectionLost, NoBroker
from worker.broker.supervisor import ConnectionSupervisor
from worker.broker.urls import parse
from worker.metrics import Metrics
from worker.readiness import Readiness

Serve = Callable[[Connection], Awaitable[None]]


@pytest.fixture(scope="module")
def brokers(own_broker: Broker) -> Iterator[list[Broker]]:
    """Two that can be killed and frozen."""
    with broker(control=True) as other:
        yield [own_broker, other]


def both(brokers: list[Broker], query: str = "") -> str:
    """AMQP_URL for both."""
    return ",".join(f"{each.url}{query}" for each in brokers)


class Served:
    """What a link runs: remembers each connection and stays on it."""

    def __init__(self) -> None:
        self.ports: list[int | None] = []
        self.news = asyncio.Event()

    async def serve(self, connection: Connection) -> None:
        """Stay until the connection is lost."""
        self.ports.append(connection.url.port)
        self.news.set()
        await asyncio.Event().wait()

    async def until(self, enough: Callable[[list[int | None]], bool]) -> None:
        """Wait for connections."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(self.ports):
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def linked(url: str, serve: Serve, readiness: Readiness | None = None) -> AsyncIterator[ConnectionSupervisor]:
    """A link that runs; cancelled at the end."""
    link = ConnectionSupervisor(parse(url), "publisher", readiness or Readiness(), Metrics(), Random(3))
    running = asyncio.create_task(link.run(serve))
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_kill_of_the_broker_in_use(brokers: list[Broker]) -> None:
    """When the broker in use dies the other one is used, and the first again when that dies too."""
    by_port = {URL(each.url).port: each for each in brokers}
    served = Served()
    async with linked(both(brokers), served.serve):
        await served.until(lambda ports: len(ports) >= 1)
        first = served.ports[-1]
        await asyncio.to_thread(by_port[first].kill)
        await served.until(lambda ports: ports[-1] != first)
        second = served.ports[-1]
        await asyncio.to_thread(by_port[first].start)
        await asyncio.to_thread(by_port[second].kill)
        await served.until(lambda ports: ports[-1] == first)
    await asyncio.to_thread(by_port[second].start)


async def test_frozen_broker(brokers: list[Broker]) -> None:
    """A broker that keeps the connection open and answers nothing is left for the other one, by the heartbeat."""
    by_port = {URL(each.url).port: each for each in brokers}
    served = Served()
    async with linked(both(brokers, "?heartbeat=1"), served.serve):
        await served.until(lambda ports: len(ports) >= 1)
        first = served.ports[-1]
        await asyncio.to_thread(by_port[first].freeze)
        try:
            await served.until(lambda ports: ports[-1] != first)
        finally:
            await asyncio.to_thread(by_port[first].thaw)


async def test_connection_that_does_not_last(brokers: list[Broker]) -> None:
    """A broker that takes us and drops us at once is asked less and less often."""
    moments: list[float] = []
    enough = asyncio.Event()

    async def dropped(_: Connection) -> None:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) == 4:
            enough.set()
        raise ConnectionResetError("dropped at once")

    async with linked(brokers[0].url, dropped), asyncio.timeout(PATIENCE_SECONDS):
        await enough.wait()
    gaps = [after - before for before, after in pairwise(moments)]
    assert [gap >= least for gap, least in zip(gaps, (0.25, 0.5, 1.0), strict=True)] == [True] * 3


async def test_foreign_cancellation(brokers: list[Broker]) -> None:
    """The client library cancels whoever waits on a dying channel; that is a lost connection, not the end of work."""
    calls = 0

    async def serve(_: Connection) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncio.CancelledError

    link = ConnectionSupervisor(parse(brokers[0].url), "publisher", Readiness(), Metrics(), Random(3))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await link.run(serve)
    assert calls == 2


async def test_what_is_not_about_the_connection(brokers: list[Broker]) -> None:
    """A fault of ours is not taken for a broker that is away."""

    async def serve(_: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ConnectionSupervisor(parse(brokers[0].url), "publisher", Readiness(), Metrics(), Random(3)).run(serve)


@asynccontextmanager
async def answering(answer: Callable[[asyncio.StreamReader], Awaitable[bytes]]) -> AsyncIterator[int]:
    """Something that takes connections, says this and hangs up; gives its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await answer(reader))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_stop_while_connecting() -> None:
    """Being asked to stop ends at once even the wait for a broker that does not answer."""
    async with answering(asyncio.StreamReader.read) as port:
        link = ConnectionSupervisor(parse(f"amqp://127.0.0.1:{port}/"), "publisher", Readiness(), Metrics(), Random(3))
        running = asyncio.create_task(link.run(Served().serve))
        await asyncio.wait({running}, timeout=0.5)
        started = asyncio.get_running_loop().time()
        link.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running
        assert asyncio.get_running_loop().time() - started < 5


@pytest.mark.parametrize(
    "said", [b"", b"A", b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\x00\x00\xff", b"\x00" * 20]
)
async def test_no_broker_behind_the_address(brokers: list[Broker], said: bytes) -> None:
    """A proxy without a broker, or another program, is a broker that is away, whatever it says: the next is tried."""

    async def answer(_: asyncio.StreamReader) -> bytes:
        return said

    served, readiness = Served(), Readiness()
    async with answering(answer) as port:
        async with linked(f"amqp://guest:guest@127.0.0.1:{port}/", served.serve, readiness):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await readiness.until(lambda now: f"127.0.0.1:{port}: " in now.problems.get("publisher", ""))
        async with linked(f"amqp://guest:guest@127.0.0.1:{port}/,{brokers[0].url}", served.serve):
            await served.until(lambda ports: len(ports) == 1)


async def test_no_password_in_any_log(brokers: list[Broker], caplog: pytest.LogCaptureFixture) -> None:
    """A broker that dies and one that was never there leave host and port in the log, and no secret."""
    secret = "s3cr3t-w0rd"  # noqa: S105  # not one
    url = URL(brokers[0].url)
    brokers[0].rabbitmqctl("add_user", "someone", secret)
    brokers[0].rabbitmqctl("set_permissions", "someone", ".*", ".*", ".*")
    served, readiness = Served(), Readiness()
    caplog.set_level(logging.INFO)
    with capture_logs() as logs:
        async with linked(f"amqp://someone:{secret}@127.0.0.1:{url.port},127.0.0.1:1/", served.serve, readiness):
            await served.until(lambda ports: len(ports) >= 1)
            brokers[0].rabbitmqctl("close_all_connections", "maintenance")
            await served.until(lambda ports: len(ports) >= 2)
    said = [entry for entry in logs if entry["event"] == "broker_connection_lost"]
    assert any("maintenance" in entry["reason"] for entry in said)
    assert f"127.0.0.1:{url.port}" in {entry["broker"] for entry in said}
    assert secret not in f"{logs} {readiness.problems} {caplog.text}"


async def test_command_line_tool_tries_each_broker_once(brokers: list[Broker]) -> None:
    """A tool gets a connection from the first broker that gives one; or one line that says why of each."""
    dead = "amqp://guest:s3cr3t-w0rd@127.0.0.1:1/"
    connection = await open_connection(parse(f"{dead},{brokers[0].url}"), "tool")
    assert isinstance(connection, Connection)
    await connection.close()
    wrong = str(URL(brokers[0].url).with_password("s3cr3t-w0rd"))
    with pytest.raises(NoBroker) as refusal:
        await open_connection(parse(f"{dead},{wrong}"), "tool")
    line = str(refusal.value)
    assert "127.0.0.1:1: " in line
    assert "refused the user or the password of AMQP_URL: ACCESS_REFUSED" in line
    assert "\n" not in line
    assert "s3cr3t-w0rd" not in line


async def test_a_lost_connection_says_so(brokers: list[Broker]) -> None:
    """A connection that the broker ended is closed to whoever looks at it; aio-pika's own would say that it is open."""
    async with await connect(URL(brokers[0].url), "test") as connection:
        assert not connection.is_closed
        brokers[0].rabbitmqctl("close_all_connections", "maintenance")
        await until_true(lambda: connection.is_closed)
        with pytest.raises(ConnectionLost, match="maintenance"):
            await until_lost(connection, Served().serve(connection))


async def test_what_the_broker_refuses(brokers: list[Broker]) -> None:
    """A wrong user, virtual host or auth is said in words that lead to AMQP_URL."""
    url = URL(brokers[0].url)
    with pytest.raises(NoBroker, match="refused the user or the password of AMQP_URL"):
        await open_connection(parse(str(url.with_user("nobody"))), "tool")
    with pytest.raises(NoBroker, match="virtual host of AMQP_URL"):
        await open_connection(parse(str(url.with_path("/nowhere"))), "tool")
    with pytest.raises(NoBroker, match="does not offer the auth that AMQP_URL asks for"):
        await open_connection(parse(str(url.with_query(auth="external"))), "tool")
