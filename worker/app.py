"""The composition root: what runs beside what, signals, the order of stopping."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable
from random import SystemRandom

import structlog

from distribution.gauges import BacklogGauges
from distribution.store.engine import create_engine, dispose
from worker.batches import Batches
from worker.consumer import Consumer
from worker.health import create_server
from worker.lenient import tolerate_any_properties
from worker.link import Link
from worker.outage import USUAL, Pauses
from worker.points import Watch, unwatched
from worker.relay import Relay
from worker.settings import WorkerSettings
from worker.status import Status
from worker.sweeper import Sweeper
from worker.topology import Topology
from worker.upkeep import Upkeep

CONSUMER_STOP_SECONDS = 15
SWEEPER_STOP_SECONDS = 2
GAUGES_STOP_SECONDS = 1
UPKEEP_STOP_SECONDS = 2
RELAY_STOP_SECONDS = 6
REPLIES_LONGEST_PAUSE_SECONDS = 2.0
EXIT_AT_ONCE = 130


async def run_until_signal(settings: WorkerSettings, health_socket: socket.socket, watch: Watch = unwatched) -> None:
    """Run until SIGTERM or SIGINT."""
    await run(settings, health_socket, stop_on_signals(), watch)


async def run(
    settings: WorkerSettings,
    health_socket: socket.socket,
    stopping: asyncio.Event,
    watch: Watch = unwatched,
    pauses: Pauses = USUAL,
) -> None:
    """Run until `stopping` is set; a part that dies is named, and its error ends the process.

    `watch` is told where deliveries and events stand. `pauses`: between tries while the database is away.
    """
    log = structlog.get_logger("worker")
    tolerate_any_properties()
    status, random = Status(), SystemRandom()
    engine = create_engine(settings.database_url.get_secret_value())
    topology = Topology(settings.broker_prefix, settings.event_log_max_age, settings.broker_declare)
    relay = Relay(engine, topology, status, random, watch)
    batches = Batches(engine, random, watch)
    consumer = Consumer(settings, topology, batches, relay, status, watch, pauses)
    sweeper = Sweeper(settings, engine, batches, relay, status, random)
    gauges = BacklogGauges(engine)
    status.registry.register(gauges)
    upkeep = Upkeep(settings, topology, engine, batches, relay, status, random)
    brokers = settings.brokers
    taking, telling = Link(brokers, "consumer", status, random), Link(brokers, "publisher", status, random)
    keeping = Link(brokers, "upkeep", status, random)
    retrying = Link(brokers, "retries", status, random, vital=False)
    # A reply may end its connection again and again, and the others should not have to wait for long.
    replying = Link(brokers, "replies", status, random, vital=False, longest_pause=REPLIES_LONGEST_PAUSE_SECONDS)
    health = create_server(status)
    try:
        async with asyncio.TaskGroup() as parts:
            consuming = parts.create_task(named("consumer", taking.run(consumer.serve)))
            publishing = [
                parts.create_task(named("relay", telling.run(relay.serve))),
                parts.create_task(named("retries", retrying.run(relay.retries.serve))),
                parts.create_task(named("replies", replying.run(relay.replies.serve))),
                parts.create_task(named("tidying", relay.tidy())),
            ]
            sweeping = parts.create_task(named("sweeper", sweeper.run()))
            measuring = parts.create_task(named("gauges", gauges.run(stopping)))
            looking_after = parts.create_task(named("upkeep", keeping.run(upkeep.serve)))
            serving = parts.create_task(named("health", health.serve(sockets=[health_socket])))
            log.info("worker_started", health_port=health_socket.getsockname()[1])
            await stopping.wait()
            log.info("worker_stopping")
            # First nothing new comes in, then what was committed goes out.
            consumer.stop()
            taking.stop()
            sweeper.stop()
            upkeep.stop()
            keeping.stop()
            await ended(consuming, CONSUMER_STOP_SECONDS)
            await ended(sweeping, SWEEPER_STOP_SECONDS)
            await ended(measuring, GAUGES_STOP_SECONDS)
            await ended(looking_after, UPKEEP_STOP_SECONDS)
            relay.stop()
            for link in (telling, retrying, replying):
                link.stop()
            await asyncio.gather(*(ended(task, RELAY_STOP_SECONDS) for task in publishing))
            health.should_exit = True
            await serving
    finally:
        await dispose(engine)
    log.info("worker_stopped")


async def named(part: str, work: Awaitable[None]) -> None:
    """Run a part; say which one it was when it dies."""
    try:
        await work
    except Exception as error:
        structlog.get_logger("worker").error("part_died", part=part, reason=str(error) or type(error).__name__)
        raise


async def ended(task: asyncio.Task[None], seconds: float) -> None:
    """Wait for the end of a part that was told to stop; cancel it when that takes too long."""
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        structlog.get_logger("worker").warning("part_cancelled", after_seconds=seconds)
        task.cancel()
        await asyncio.wait({task})


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; a second one ends the process at once."""
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(EXIT_AT_ONCE)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stopping
