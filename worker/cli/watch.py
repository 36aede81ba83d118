"""`contacts-worker watch`: events as they leave, or from the log."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from distribution.errors import DistributionError, MessageRejected
from distribution.events import TYPES
from distribution.messages import parsed
from distribution.terminal import escaped, escaped_json, say
from worker.broker.topology import Topology
from worker.broker.urls import host_port
from worker.cli.options import list_words, one_of
from worker.cli.session import broker_settings, channel, looked_at, run
from worker.settings import WorkerSettings

AGO = re.compile(r"([1-9][0-9]*)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
PREFETCH = 200
SHOWN_BYTES = 80


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show."""

    since: datetime | None = None
    type: str | None = None
    source: str | None = None

    def has(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is wanted."""
        if self.since is not None and datetime.fromisoformat(event["time"]) < self.since:
            return False
        if self.type is not None and event["type"] != self.type:
            return False
        return self.source is None or event["data"]["source"]["code"] == self.source


def watch(
    since: Annotated[str | None, typer.Option(help="from the log: 90s, 30m, 2h, 7d ago, or an ISO 8601 time")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help=list_words(TYPES), callback=one_of(TYPES))] = None,
    source: Annotated[str | None, typer.Option(help="code of a source")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="each event whole, a line of JSON")] = False,
) -> None:
    """Show events as they leave, until Ctrl-C; with --since first those of the log."""
    wanted = EventFilter(moment(since, datetime.now(UTC)) if since else None, event_type, source)
    with suppress(KeyboardInterrupt):
        run(_watch(broker_settings(), wanted, count, as_json))


def moment(text: str, now: datetime) -> datetime:
    """A time as people give it: so long ago, or ISO 8601, which is UTC where it says nothing else."""
    if ago := AGO.fullmatch(text):
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("--since is neither like 90s, 30m, 2h, 7d nor an ISO 8601 time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def line(event: Mapping[str, Any]) -> str:
    """One event in one line."""
    data = event["data"]
    operator = f" → {data['operator']['name']}" if data["operator"] else ""
    reason = f" ({data['reason']})" if data["reason"] else ""
    about = f"{data['source']['code']} {data['lead']['external_id']}"
    return f"{event['time']} {event['type']:18} {about}{operator}{reason} {event['subject']} #{data['sequence']}"


def json_line(body: bytes) -> str:
    """An event as it is, numbers digit by digit, in one line."""
    return escaped_json(body.decode()).replace("\n", " ")


async def _watch(settings: WorkerSettings, wanted: EventFilter, count: int | None, as_json: bool) -> None:
    topology = Topology(settings.broker_prefix, settings.event_log_max_age)
    async with channel(settings, "watch") as broker:
        events: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await broker.basic_qos(prefetch_count=PREFETCH)
        await _consume(broker, topology, wanted.since, events)
        looked_at(
            f"broker {host_port(broker.connection.url)}, {topology.log if wanted.since else topology.assignments}"
        )
        shown = 0
        while count is None or shown < count:
            delivery = await _next(broker, events)
            if delivery.delivery_tag is not None:
                await broker.basic_ack(delivery.delivery_tag, wait=False)
            if (text := _shown(delivery.body, wanted, as_json)) is not None:
                say(text)
                shown += 1


def _shown(body: bytes, wanted: EventFilter, as_json: bool) -> str | None:
    """What to print of an event; None if it is not wanted, or no event at all."""
    try:
        event = parsed(body.decode())
        if not wanted.has(event):
            return None
        return json_line(body) if as_json else escaped(line(event))
    except (MessageRejected, ValueError, LookupError, TypeError):
        say(f"not an event: {body[:SHOWN_BYTES]!r}", err=True)
        return None


async def _consume(
    broker: AbstractChannel, topology: Topology, since: datetime | None, events: asyncio.Queue[DeliveredMessage]
) -> None:
    if since is None:
        queue = (await broker.queue_declare(exclusive=True)).queue or ""
        try:
            await broker.queue_bind(queue, topology.assignments, routing_key="#")
        except ChannelNotFoundEntity:
            raise _missing("exchange", topology.assignments) from None
        await broker.basic_consume(queue, events.put)
        return
    try:
        await broker.queue_declare(topology.log, passive=True)
    except ChannelNotFoundEntity:
        raise _missing("event log", topology.log) from None
    await broker.basic_consume(topology.log, events.put, arguments={"x-stream-offset": since})


async def _next(broker: AbstractChannel, events: asyncio.Queue[DeliveredMessage]) -> DeliveredMessage:
    """The next event; raises ConnectionError where none will come any more."""
    waiting = asyncio.ensure_future(events.get())
    done, _ = await asyncio.wait({waiting, broker.closing}, return_when=asyncio.FIRST_COMPLETED)
    if waiting in done:
        return waiting.result()
    waiting.cancel()
    raise ConnectionError("the connection was lost")


def _missing(what: str, name: str) -> DistributionError:
    return DistributionError(f"the broker has no {what} {name}: start the worker once, it makes it")
