"""Keeps one connection to the broker: connects, serves until it is lost, goes on to the next broker, pauses longer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import TypeVar

import aiormq
import structlog
from aiormq.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelInvalidStateError
from yarl import URL

from distribution.errors import DistributionError
from worker.broker import flow_control, tls
from worker.broker.errors import describe_error, was_dropped
from worker.broker.topology import NotSetUp
from worker.broker.urls import LONGEST_PAUSE_SECONDS, BrokerRotation, connect_seconds, host_port, parse
from worker.metrics import Metrics
from worker.readiness import Readiness

CLOSE_SECONDS = 3
LASTING_SECONDS = 10
PROGRAM = "contact-distribution"

AWAY = "not connected to the broker"
BLOCKED = "the broker takes no publications (its memory or disk alarm)"
LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, EOFError)

Serve = Callable[[AbstractConnection], Awaitable[None]]
T = TypeVar("T")


class ConnectionLost(ConnectionError):
    """The connection ended while it was in use, or never came to be."""


class NoBroker(DistributionError):
    """None of the brokers could be connected to; the message says why for each."""

    code = "no_broker"


class ConnectionSupervisor:
    """One connection of a name; each time it is made, `serve` runs on it until it ends or the connection is lost.

    `brokers` are those of the settings, or the text of AMQP_URL. `vital`: whether the worker is not ready without it;
    else what is wrong with it is a detail. `longest_pause`: seconds.
    """

    def __init__(
        self,
        brokers: Sequence[URL] | str,
        name: str,
        readiness: Readiness,
        metrics: Metrics,
        random: Random,
        *,
        vital: bool = True,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._turns = BrokerRotation(parse(brokers) if isinstance(brokers, str) else brokers, random, longest_pause)
        self._name, self._readiness, self._metrics = name, readiness, metrics
        self._say = readiness.set_unready if vital else readiness.set_detail
        self._say_ready = readiness.set_ready if vital else readiness.clear_detail
        self._stopping = asyncio.Event()
        self._connecting: asyncio.Task[AbstractConnection] | None = None
        self._log = structlog.get_logger("worker.broker.supervisor").bind(connection=name)

    def stop(self) -> None:
        """Make `run` return as soon as it does not serve."""
        self._stopping.set()
        if self._connecting is not None:
            self._connecting.cancel()

    async def run(self, serve: Serve) -> None:
        """Return when `serve` returns; what it raises about the connection means another try, all else is raised."""
        self._say(self._name, AWAY)
        while not self._stopping.is_set():
            broker = host_port(self._turns.url)
            try:
                connection = await self._connect()
                await self._serve(connection, serve)
                return
            except LOST as lost:
                seconds = self._turns.failed()
                reason = describe_error(lost)
                is_there = isinstance(lost, (NotSetUp, ChannelAccessRefused))
                said = "broker_not_set_up" if is_there else "broker_connection_lost"
                self._log.warning(said, broker=broker, reason=reason, next_try_seconds=round(seconds, 1))
                self._say(self._name, reason if is_there else f"{AWAY}: {broker}: {reason}")
                await wait_for_event(self._stopping, seconds)

    async def _serve(self, connection: AbstractConnection, serve: Serve) -> None:
        self._say_ready(self._name)
        lasting = asyncio.get_running_loop().call_later(LASTING_SECONDS, self._turns.lasted)
        watching = asyncio.create_task(flow_control.watch(connection, self._tell_blocked))
        try:
            await until_lost(connection, serve(connection))
        finally:
            lasting.cancel()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._say(self._name, AWAY)
            self._metrics.blocked.labels(self._name).set(0)
            await _close(connection)

    def _tell_blocked(self, is_blocked: bool) -> None:
        self._metrics.blocked.labels(self._name).set(is_blocked)
        if is_blocked:
            self._say(self._name, BLOCKED)
            self._log.warning("broker_blocked", reason=BLOCKED)
        else:
            self._say_ready(self._name)
            self._log.info("broker_unblocked")

    async def _connect(self) -> AbstractConnection:
        url = self._turns.url
        self._connecting = asyncio.create_task(connect(url, self._name))
        try:
            connection = await self._connecting
        except asyncio.CancelledError:
            if _wanted():
                raise
            raise ConnectionLost("asked to stop") from None
        self._metrics.connects.labels(self._name).inc()
        self._log.info("broker_connected", broker=host_port(url))
        if not tls.verifies(url):
            self._log.warning("broker_not_verified", broker=host_port(url), reason=f"AMQP_URL has {tls.NOT_VERIFIED}")
        return connection


async def connect(url: URL, name: str) -> AbstractConnection:
    """One try at one broker; raises one of LOST."""
    secured = await asyncio.to_thread(tls.context, url)
    # A broker that froze would hold up the end of a TLS connection for half a minute.
    if secured is None:
        connection = aiormq.Connection(url)
    else:
        connection = aiormq.Connection(url, context=secured, ssl_shutdown_timeout=CLOSE_SECONDS)
    try:
        async with asyncio.timeout(connect_seconds(url)):
            await connection.connect({"connection_name": f"{url.query.get('name', PROGRAM)} {name}"})
    except TimeoutError:
        raise ConnectionLost(f"no answer within {connect_seconds(url)} s") from None
    except StopAsyncIteration:
        # What the library says where a proxy takes connections and has no broker behind it.
        raise ConnectionLost("hung up before it said anything") from None
    except asyncio.CancelledError:
        if _wanted():
            raise
        raise ConnectionLost("the connection was dropped while it was made") from None
    except LOST as lost:
        # The broker judges our certificate after the handshake; its alert can be overtaken by its hanging up.
        if secured is not None and was_dropped(lost):
            raise ConnectionLost(f"{describe_error(lost)}; the broker may have refused our certificate") from None
        raise
    return connection


async def open_connection(brokers: Sequence[URL], name: str) -> AbstractConnection:
    """A connection for a command line tool, which closes it: each broker is tried once, in order. Raises NoBroker."""
    refusals = []
    for url in brokers:
        try:
            return await connect(url, name)
        except LOST as lost:
            refusals.append(f"{host_port(url)}: {describe_error(lost)}")
    raise NoBroker(f"no broker can be connected to (AMQP_URL): {'; '.join(refusals)}")


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Pause, or less where the event comes first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def until_lost(connection: AbstractConnection, work: Awaitable[None]) -> None:
    """Run the work; end it and raise ConnectionLost as soon as the connection is gone."""
    task = asyncio.ensure_future(work)
    closing = asyncio.ensure_future(_closed(connection))
    try:
        await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionLost(closing.result())
        # The client library cancels tasks of a dying channel: that is a loss, not a wish to stop.
        if task.cancelled():
            raise ConnectionLost("a channel was closed")
        if (error := task.exception()) is not None:
            if connection.is_closed:
                raise ConnectionLost(describe_error(error)) from error
            raise error
    finally:
        for pending in (task, closing):
            pending.cancel()
        await asyncio.gather(task, closing, return_exceptions=True)


async def not_cancelled(work: Awaitable[T]) -> T:
    """The work; the client library cancels who waits on a channel that dies, which is a loss and no wish to stop."""
    try:
        return await work
    except asyncio.CancelledError:
        if _wanted():
            raise
        raise ConnectionLost("a channel was closed") from None


async def _closed(connection: AbstractConnection) -> str:
    """Wait for the end of the connection; returns why."""
    try:
        await connection.closing
    except asyncio.CancelledError:
        if _wanted():
            raise
        return "closed"
    except Exception as why:
        return describe_error(why)
    return "closed"


def _wanted() -> bool:
    """Whether our own task is being cancelled; the client library also cancels those who wait for it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _close(connection: AbstractConnection) -> None:
    with suppress(*LOST):
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
