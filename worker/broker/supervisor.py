"""Keeps one connection to the broker: connects, serves until it is lost, goes on to the next broker, pauses longer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import structlog
from aiormq.exceptions import ChannelAccessRefused  # aio-pika does not export it
from yarl import URL

from worker.aio import is_being_cancelled, wait_for_event
from worker.broker import flow_control, tls
from worker.broker.connection import Connection, close, connect, until_lost
from worker.broker.errors import LOST, ConnectionLost, describe_error
from worker.broker.topology import NotSetUp
from worker.broker.urls import LONGEST_PAUSE_SECONDS, BrokerRotation, host_port, parse
from worker.metrics import Metrics
from worker.readiness import Readiness

LASTING_SECONDS = 10

AWAY = "not connected to the broker"
BLOCKED = "the broker takes no publications (its memory or disk alarm)"

Serve = Callable[[Connection], Awaitable[None]]


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
        self._connecting: asyncio.Task[Connection] | None = None
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

    async def _serve(self, connection: Connection, serve: Serve) -> None:
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
            await close(connection)

    def _tell_blocked(self, is_blocked: bool) -> None:
        self._metrics.blocked.labels(self._name).set(is_blocked)
        if is_blocked:
            self._say(self._name, BLOCKED)
            self._log.warning("broker_blocked", reason=BLOCKED)
        else:
            self._say_ready(self._name)
            self._log.info("broker_unblocked")

    async def _connect(self) -> Connection:
        url = self._turns.url
        self._connecting = asyncio.create_task(connect(url, self._name))
        try:
            connection = await self._connecting
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            raise ConnectionLost("asked to stop") from None
        self._metrics.connects.labels(self._name).inc()
        self._log.info("broker_connected", broker=host_port(url))
        if not tls.verifies(url):
            self._log.warning("broker_not_verified", broker=host_port(url), reason=f"AMQP_URL has {tls.NOT_VERIFIED}")
        return connection
