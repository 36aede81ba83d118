"""`contacts-worker watch`: events as they are published, or from the log."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from distribution.errors import MessageRejected
from distribution.events import TYPES
from distribution.messages import parsed
from distribution.terminal import escaped, escaped_json, say
from worker.broker.connection import open_connection, until_lost
from worker.broker.connection_errors import ConnectionLost
from worker.broker.topology import Topology
from worker.broker.urls import host_port
from worker.cli.choices import list_words, one_of
from worker.cli.reply_receiver import operator_and_reason
from worker.cli.session import broker_settings, looked_at, required, run
from worker.settings import WorkerSettings

AGO = re.compile(r"([1-9][0-9]*)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
PREFETCH = 200
Events = asyncio.Queue[AbstractIncomingMessage]
SHOWN_BYTES = 80


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show."""

    since: datetime | None = None
    type: str | None = None
    source: str | None = None

    def has(self, event: Mapping[str, Any]) -> bool:
        """Whether to show the event."""
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
    event_filter = EventFilter(moment(since, datetime.now(UTC)) if since else None, event_type, source)
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        run(_watch(broker_settings(), event_filter, count, as_json))


def moment(text: str, now: datetime) -> datetime:
    """Parse a time: so long ago, or ISO 8601, which is UTC if it has no offset."""
    if ago := AGO.fullmatch(text):
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("--since is neither like 90s, 30m, 2h, 7d nor an ISO 8601 time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def line(event: Mapping[str, Any]) -> str:
    """One event in one line."""
    data = event["data"]
    about = f"{data['source']['code']} {data['lead']['external_id']}{operator_and_reason(data)}"
    return f"{event['time']} {event['type']:18} {about} {event['subject']} #{data['sequence']}"


def json_line(body: bytes) -> str:
    """An event unchanged, in one line; numbers keep their digits."""
    return escaped_json(body.decode()).replace("\n", " ")


async def _watch(settings: WorkerSettings, event_filter: EventFilter, count: int | None, as_json: bool) -> None:
    topology = settings.topology
    async with await open_connection(settings.brokers, "watch") as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=PREFETCH)
        events = await _consume(channel, topology, event_filter.since)
        looked_at(f"broker {host_port(connection.url)}, {topology.log if event_filter.since else topology.assignments}")
        try:
            await until_lost(connection, _print(events, event_filter, count, as_json))
        except ConnectionLost:
            raise ConnectionError("the connection was lost") from None


async def _print(events: Events, event_filter: EventFilter, count: int | None, as_json: bool) -> None:
    printed = 0
    while printed != count:
        event = await events.get()
        await event.ack()
        if (text := _format(event.body, event_filter, as_json)) is not None:
            say(text)
            printed += 1


def _format(body: bytes, event_filter: EventFilter, as_json: bool) -> str | None:
    """The text to print for an event; None if it is filtered out or not an event."""
    try:
        event = parsed(body.decode())
        if not event_filter.has(event):
            return None
        return json_line(body) if as_json else escaped(line(event))
    except (MessageRejected, ValueError, LookupError, TypeError):
        say(f"not an event: {body[:SHOWN_BYTES]!r}", err=True)
        return None


async def _consume(channel: AbstractChannel, topology: Topology, since: datetime | None) -> Events:
    """Events published from now on; with `since` those of the log first.

    Not the library's iterator: cancelled, it waits for a broker that may be frozen.
    """
    events = Events()
    if since is None:
        queue = await channel.declare_queue(exclusive=True)
        with required(f"exchange {topology.assignments}"):
            await queue.bind(topology.assignments, routing_key="#")
        await queue.consume(events.put)
        return events
    with required(f"event log {topology.log}"):
        log = await channel.get_queue(topology.log)
    await log.consume(events.put, arguments={"x-stream-offset": since})
    return events
