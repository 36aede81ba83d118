"""Keeps one connection to the broker: connects, serves until it is lost, pauses longer each time, connects again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import aiormq
import structlog
from aiormq.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from yarl import URL

from worker.status import Status

CONNECT_SECONDS = 10
HEARTBEAT_SECONDS = 15
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20
CLOSE_SECONDS = 3

LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, EOFError)


class ConnectionLost(ConnectionError):
    """The connection ended while it was in use."""


class Link:
    """One connection of a name; each time it is made, `serve` runs on it until it ends or the connection is lost."""

    def __init__(self, url: str, name: str, status: Status, random: Random) -> None:
        parsed = URL(url)
        if "heartbeat" not in parsed.query:
            parsed = parsed.update_query(heartbeat=HEARTBEAT_SECONDS)
        self._url = parsed
        self._name, self._status, self._random = name, status, random
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger("worker.link").bind(connection=name)

    def stop(self) -> None:
        """Make `run` return as soon as it does not serve."""
        self._stopping.set()

    async def run(self, serve: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        """Return when `serve` returns; what it raises about the connection means another try, all else is raised."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            self._status.problem(self._name, "not connected to the broker")
            try:
                connection = await self._connect()
                pause = FIRST_PAUSE_SECONDS
                await self._serve(connection, serve)
                return
            except LOST as lost:
                seconds = pause * self._random.uniform(0.5, 1.0)
                self._log.warning("broker_away", reason=_reason(lost), next_try_seconds=round(seconds, 1))
                await wait_for_event(self._stopping, seconds)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _serve(
        self, connection: AbstractConnection, serve: Callable[[AbstractConnection], Awaitable[None]]
    ) -> None:
        self._status.fine(self._name)
        try:
            await until_lost(connection, serve(connection))
        finally:
            self._status.problem(self._name, "not connected to the broker")
            await _close(connection)

    async def _connect(self) -> AbstractConnection:
        async with asyncio.timeout(CONNECT_SECONDS):
            properties = {"connection_name": f"contact-distribution {self._name}"}
            connection = aiormq.Connection(self._url)
            await connection.connect(properties)
        self._log.info("broker_connected")
        return connection


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
                raise ConnectionLost(_reason(error)) from error
            raise error
    finally:
        for pending in (task, closing):
            pending.cancel()
        await asyncio.gather(task, closing, return_exceptions=True)


async def _closed(connection: AbstractConnection) -> str:
    """Wait for the end of the connection; answers why."""
    try:
        await connection.closing
    except asyncio.CancelledError:
        if asyncio.current_task().cancelling():  # type: ignore[union-attr]  # inside a task there always is one
            raise
        return "closed"
    except Exception as why:
        return _reason(why)
    return "closed"


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _close(connection: AbstractConnection) -> None:
    with suppress(*LOST):
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
