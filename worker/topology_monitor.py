"""Monitors exchanges and queues: declares deleted ones again, reports them, and measures queue depths."""

import asyncio
from datetime import UTC, datetime

import structlog
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPChannelError, ChannelNotFoundEntity

from distribution.errors import DatabaseUnavailable
from distribution.ids import isoformat
from distribution.store import broker_queue_depths
from worker.aio import running, wait_for_event
from worker.broker.connection import Connection, not_cancelled, opened
from worker.broker.connection_errors import describe_error
from worker.broker.event_log import EventLog
from worker.broker.topology import NotSetUp, TopologyMismatch, declare_each, missing_in_words
from worker.consume.context import ConsumeContext
from worker.consume.dead_letter_collector import DeadLetterCollector

PART, LOG = "topology", "event log"
LOOK_SECONDS = 15.0
DETAIL_SECONDS = 3600.0
"""How long a readiness detail reports an object that was missing."""


class TopologyMonitor:
    """Checks every exchange and queue every LOOK_SECONDS, over a connection on which nothing else depends.

    Nothing else notices a deleted queue as long as its exchange has another: the messages it should have got are lost.
    Problems here are reported and end nothing.
    """

    def __init__(self, context: ConsumeContext, look_seconds: float = LOOK_SECONDS) -> None:
        self._topology, self._database = context.settings.topology, context.database
        self._readiness, self._metrics = context.readiness, context.metrics
        self._stopping, self._look_seconds = context.stopping, look_seconds
        self._collector = DeadLetterCollector(context)
        self._is_silent = False
        self._was_complete = False
        self._known_missing: list[str] = []
        self._reported_loss = ("", 0.0)
        self._log = structlog.get_logger("worker.topology_monitor")

    async def serve(self, connection: Connection) -> None:
        """Monitor, and collect dead letters, over one connection until stopped; raises when the connection fails."""
        log = EventLog(self._topology, connection)
        looking = self._look_repeatedly(connection.channel(publisher_confirms=False), log)
        try:
            async with running(not_cancelled(looking), not_cancelled(self._collector.serve(connection))) as tasks:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
        finally:
            await log.close()

    async def _look_repeatedly(self, channel: AbstractChannel, log: EventLog) -> None:
        while not self._stopping.is_set():
            problem = ""
            try:
                await self.look_once(channel, log)
            except (TopologyMismatch, NotSetUp, AMQPChannelError) as error:
                problem = describe_error(error)
            self._report_problem(problem)
            await wait_for_event(self._stopping, self._look_seconds)

    async def look_once(self, channel: AbstractChannel, log: EventLog) -> None:
        """Check that everything exists, report what does not, declare everything, measure the queues.

        The broker closes the channel for each missing object; it is reopened.
        """
        has_log = await log.is_there()
        self._report_silence(log.name, has_log is None)
        # As late as possible: what is deleted between this and the declaration is declared again without a report.
        missing = await self._find_missing(channel)
        if has_log is False:
            missing.append(log.name)
        # Nothing can be missing before everything existed once.
        if self._was_complete:
            self._report_missing([name for name in missing if name not in self._known_missing])
        if self._topology.declares:
            await declare_each(await opened(channel), self._topology.needed(), declares=True)
            if has_log is not None:
                await log.declare()
        elif missing:
            self._known_missing = missing
            raise NotSetUp(" ".join(map(missing_in_words, missing)))
        self._was_complete, self._known_missing = True, []

    async def _find_missing(self, channel: AbstractChannel) -> list[str]:
        """Names of missing objects, except the event log; measures the queues that exist."""
        missing, depths = [], dict[str, int]()
        for broker_object in self._topology.needed():
            try:
                queue = await broker_object.look(await opened(channel))
            except ChannelNotFoundEntity:
                missing.append(str(broker_object))
                continue
            if queue is not None:
                depths[broker_object.name] = queue.declaration_result.message_count or 0
                if broker_object.name == self._topology.inbound:
                    consumers = queue.declaration_result.consumer_count or 0
                    self._metrics.queue_consumers.labels(broker_queue_depths.INBOUND).set(consumers)
        await self._write_depths(depths)
        return missing

    async def _write_depths(self, depths: dict[str, int]) -> None:
        names = {broker_queue_depths.INBOUND: self._topology.inbound, broker_queue_depths.DEAD: self._topology.dead}
        messages = {name: depths[queue] for name, queue in names.items() if queue in depths}
        for name, number in messages.items():
            self._metrics.queue_messages.labels(name).set(number)
        if not messages.get(broker_queue_depths.INBOUND, 1):
            self._metrics.inbound_age.set(0)
        now = datetime.now(UTC)
        try:
            await self._database.run(lambda conn: broker_queue_depths.write(conn, messages, now))
        except DatabaseUnavailable as error:
            self._log.info("queue_depths_not_written", reason=str(error))

    def _report_missing(self, missing: list[str]) -> None:
        if not missing:
            return
        for name in missing:
            self._metrics.missing.labels(name).inc()
        self._log.warning("broker_objects_missing", objects=missing, declared_anew=self._topology.declares)
        if self._topology.declares:
            when = isoformat(datetime.now(UTC))
            loss = f"{', '.join(missing)}: was missing at {when} and was declared anew; what it held is gone"
            self._reported_loss = loss, asyncio.get_running_loop().time() + DETAIL_SECONDS

    def _report_silence(self, name: str, is_silent: bool) -> None:
        if is_silent:
            self._readiness.set_detail(LOG, f"{name} does not answer yet; the broker recovers it last after a restart")
        elif self._is_silent:
            self._readiness.set_detail(LOG, "")
        if is_silent != self._is_silent:
            self._log.warning("event_log_silent" if is_silent else "event_log_answers", name=name)
        self._is_silent = is_silent

    def _report_problem(self, problem: str) -> None:
        """Set a readiness detail while there is a problem, and for DETAIL_SECONDS after an object was missing."""
        loss, until = self._reported_loss
        detail = problem or (loss if asyncio.get_running_loop().time() < until else "")
        if problem and self._readiness.details.get(PART) != problem:
            self._log.warning("broker_not_set_up", reason=problem)
        self._readiness.set_detail(PART, detail)
