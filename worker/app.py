"""The composition root: the components that run concurrently, signals, the order of stopping."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from random import SystemRandom

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.backlog_metrics import BacklogGauges
from distribution.store.database import Database
from distribution.store.engine import create_engine, dispose
from worker.broker.supervisor import ConnectionSupervisor
from worker.broker.tolerant_decoding import tolerate_any_properties
from worker.consume.batch_committer import BatchCommitter
from worker.consume.consumer import Consumer
from worker.consume.context import ConsumeContext
from worker.database_outage import DEFAULT_DELAYS, RetryDelays
from worker.failpoints import FailpointHook, no_failpoints
from worker.health import create_server
from worker.lead_renormalizer import LeadRenormalizer
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness
from worker.retry_and_sweep import RetryAndSweep
from worker.settings import WorkerSettings
from worker.topology_monitor import TopologyMonitor

CONSUMER_STOP_SECONDS = 12
SHORT_STOP_SECONDS = 2
RELAY_STOP_SECONDS = 6
REPLIES_LONGEST_PAUSE_SECONDS = 2.0
EXIT_AT_ONCE = 130


@dataclass(frozen=True, slots=True)
class Component:
    """Work, what ends it, and how many seconds it may then take.

    Work that takes in ends on the process's `stopping` and by `stops`; work that publishes by `stops` alone (`tidying`
    by those of `relay`).
    """

    name: str
    work: Coroutine[None, None, None]
    seconds: float
    stops: Sequence[Callable[[], None]] = ()


async def run_until_signal(
    settings: WorkerSettings, health_socket: socket.socket, at_failpoint: FailpointHook = no_failpoints
) -> None:
    """Run until SIGTERM or SIGINT."""
    await run(settings, health_socket, stop_on_signals(), at_failpoint)


async def run(
    settings: WorkerSettings,
    health_socket: socket.socket,
    stopping: asyncio.Event,
    at_failpoint: FailpointHook = no_failpoints,
    retry_delays: RetryDelays = DEFAULT_DELAYS,
) -> None:
    """Run until `stopping` is set; a component that fails is logged by name, and its error ends the process."""
    log = structlog.get_logger("worker")
    tolerate_any_properties()
    readiness, metrics = Readiness(), Metrics()
    engine = create_engine(settings.database_url.get_secret_value())
    inbound, outbound = build(settings, engine, readiness, metrics, stopping, at_failpoint, retry_delays)
    health = create_server(readiness, metrics)
    try:
        async with asyncio.TaskGroup() as group:
            components = (*inbound, *outbound)
            tasks = {
                component.name: group.create_task(run_named(component, components, stopping))
                for component in components
            }
            serving = group.create_task(health.serve(sockets=[health_socket]))
            log.info("worker_started", health_port=health_socket.getsockname()[1])
            await stopping.wait()
            log.info("worker_stopping")
            # First stop taking messages in, then publish what was committed.
            await stop(inbound, tasks)
            health.should_exit = True
            await stop(outbound, tasks)
            await serving
    finally:
        await dispose(engine)
    log.info("worker_stopped")


def build(
    settings: WorkerSettings,
    engine: AsyncEngine,
    readiness: Readiness,
    metrics: Metrics,
    stopping: asyncio.Event,
    at_failpoint: FailpointHook,
    retry_delays: RetryDelays,
) -> tuple[Sequence[Component], Sequence[Component]]:
    """Returns the components that take work in, and those that publish; each group is stopped together."""
    database = Database(engine, SystemRandom())
    relay = Relay(database, settings.topology, readiness, metrics, at_failpoint)
    batches = BatchCommitter(database, at_failpoint)
    context = ConsumeContext(
        settings, database, batches, relay.inbox, readiness, metrics, stopping, at_failpoint, retry_delays
    )
    supervisor = partial(
        ConnectionSupervisor, settings.brokers, readiness=readiness, metrics=metrics, random=database.random
    )
    consumer, retry_and_sweep, topology_monitor = Consumer(context), RetryAndSweep(context), TopologyMonitor(context)
    lead_renormalizer = LeadRenormalizer(database, settings.default_phone_region, stopping)
    gauges = BacklogGauges(database)
    metrics.registry.register(gauges)
    consuming, monitoring = supervisor("consumer"), supervisor("topology_monitor", vital=False)
    monitor = monitoring.run(topology_monitor.serve)
    return (
        Component("consumer", consuming.run(consumer.serve), CONSUMER_STOP_SECONDS, [consuming.stop]),
        Component("retry_and_sweep", retry_and_sweep.run(), SHORT_STOP_SECONDS),
        Component("lead_renormalizer", lead_renormalizer.run(), SHORT_STOP_SECONDS),
        Component("topology_monitor", monitor, SHORT_STOP_SECONDS, [monitoring.stop]),
        Component("gauges", gauges.run(stopping), SHORT_STOP_SECONDS),
    ), _publishing(relay, supervisor)


def _publishing(relay: Relay, supervisor: Callable[..., ConnectionSupervisor]) -> Sequence[Component]:
    publishing, retrying = supervisor("publisher"), supervisor("retries", vital=False)
    # A single reply may end its connection repeatedly; the other replies should not wait for long.
    replying = supervisor("replies", vital=False, longest_pause=REPLIES_LONGEST_PAUSE_SECONDS)
    return (
        Component("relay", publishing.run(relay.serve), RELAY_STOP_SECONDS, [relay.stop, publishing.stop]),
        Component("retries", retrying.run(relay.retries.serve), RELAY_STOP_SECONDS, [retrying.stop]),
        Component("replies", replying.run(relay.replies.serve), RELAY_STOP_SECONDS, [replying.stop]),
        Component("tidying", relay.tidy(), RELAY_STOP_SECONDS),
    )


async def run_named(component: Component, components: Sequence[Component], stopping: asyncio.Event) -> None:
    """Run a component; if it fails, log its name and stop all components.

    The task group only cancels the others, and a driver may turn a cancellation into an error that they handle.
    """
    try:
        await component.work
    except Exception as error:  # of any kind: it ends the process
        structlog.get_logger("worker").error(
            "component_failed", component=component.name, reason=str(error) or type(error).__name__
        )
        stopping.set()
        tell_to_stop(components)
        raise


def tell_to_stop(components: Sequence[Component]) -> None:
    """Make their work return as soon as possible."""
    for component in components:
        for stop_work in component.stops:
            stop_work()


async def stop(components: Sequence[Component], tasks: dict[str, asyncio.Task[None]]) -> None:
    """Stop all of them, and wait until they have ended."""
    tell_to_stop(components)
    await asyncio.gather(*(wait_for_end(tasks[component.name], component.seconds) for component in components))


async def wait_for_end(task: asyncio.Task[None], seconds: float) -> None:
    """Wait until a stopped component has ended; cancel it if that takes too long."""
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        structlog.get_logger("worker").warning("component_cancelled", after_seconds=seconds)
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
