"""Keeps one connection to the broker: connects, serves until it is lost, tries the next broker, with growing pauses."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random

import structlog
from aiormq.exceptions import ChannelAccessRefused  # aio-pika does not export it
from yarl import URL

from worker.aio import running, wait_for_event
from worker.broker import flow_control, tls
from worker.broker.connection import Connection, close, connect, not_cancelled, until_lost
from worker.broker.connection_errors import LOST, describe_error
from worker.broker.topology import NotSetUp
from worker.broker.urls import LONGEST_PAUSE_SECONDS, BrokerRotation, host_port
from worker.metrics import Metrics
from worker.readiness import Readiness

LASTING_SECONDS = 10

NOT_CONNECTED = "not connected to the broker"
BLOCKED = "the broker takes no publications (its memory or disk alarm)"

Serve = Callable[[Connection], Awaitable[None]]


class ConnectionSupervisor:
    """One named connection; each time it is made, `serve` runs on it until it returns or the connection is lost.

    `vital`: whether the worker is unready without it; else its problems are readiness details.
    """

    def __init__(
        self,
        brokers: Sequence[URL],
        name: str,
        readiness: Readiness,
        metrics: Metrics,
        random: Random,
        *,
        vital: bool = True,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self._rotation = BrokerRotation(brokers, random, longest_pause)
        self._name, self._readiness, self._metrics = name, readiness, metrics
        self._set_problem = readiness.set_unready if vital else readiness.set_detail
        self._clear_problem = readiness.set_ready if vital else partial(readiness.set_detail, text="")
        self._stopping = asyncio.Event()
        self._connecting: asyncio.Task[Connection] | None = None
        self._log = structlog.get_logger("worker.broker.supervisor").bind(connection=name)

    def stop(self) -> None:
        """Make `run` return as soon as `serve` has returned."""
        self._stopping.set()
        if self._connecting is not None:
            self._connecting.cancel()

    async def run(self, serve: Serve) -> None:
        """Return when `serve` returns; reconnect after errors of the connection, raise all others."""
        self._set_problem(self._name, NOT_CONNECTED)
        while not self._stopping.is_set():
            broker = host_port(self._rotation.url)
            try:
                connection = await self._connect()
                await self._serve_connection(connection, serve)
                return
            except LOST as lost:
                seconds = self._rotation.failed()
                reason = describe_error(lost)
                is_there = isinstance(lost, (NotSetUp, ChannelAccessRefused))
                event = "broker_not_set_up" if is_there else "broker_connection_lost"
                self._log.warning(event, broker=broker, reason=reason, next_try_seconds=round(seconds, 1))
                self._set_problem(self._name, reason if is_there else f"{NOT_CONNECTED}: {broker}: {reason}")
                await wait_for_event(self._stopping, seconds)

    async def _serve_connection(self, connection: Connection, serve: Serve) -> None:
        self._clear_problem(self._name)
        lasting = asyncio.get_running_loop().call_later(LASTING_SECONDS, self._rotation.lasted)
        try:
            async with running(flow_control.watch(connection, self._report_blocked)):
                await until_lost(connection, serve(connection))
        finally:
            lasting.cancel()
            self._set_problem(self._name, NOT_CONNECTED)
            self._metrics.blocked.labels(self._name).set(0)
            await close(connection)

    def _report_blocked(self, is_blocked: bool) -> None:
        self._metrics.blocked.labels(self._name).set(is_blocked)
        if is_blocked:
            self._set_problem(self._name, BLOCKED)
            self._log.warning("broker_blocked", reason=BLOCKED)
        else:
            self._clear_problem(self._name)
            self._log.info("broker_unblocked")

    async def _connect(self) -> Connection:
        url = self._rotation.url
        self._connecting = asyncio.create_task(connect(url, self._name))
        connection = await not_cancelled(self._connecting, "asked to stop")
        self._metrics.connects.labels(self._name).inc()
        self._log.info("broker_connected", broker=host_port(url))
        if not tls.verifies(url):
            self._log.warning("broker_not_verified", broker=host_port(url), reason=f"AMQP_URL has {tls.NOT_VERIFIED}")
        return connection
