"""A subscriber: a queue of its own on `assignments`, each event processed once.

Delivery is at least once and an event keeps its id, so remembering ids is enough. A subscriber that must not miss
events while it is disconnected uses a durable queue with a name instead, and keeps the ids beside its data.
"""

import asyncio
import itertools
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import aio_pika
import typer
from aio_pika.abc import AbstractIncomingMessage
from rich.console import Console
from rich.markup import escape

from distribution.terminal import escaped, say, tolerate_any_encoding
from examples.options import AmqpUrl, Prefix

_PREFETCH = 200
_COLOURS = {"contact.assigned": "green", "contact.waiting": "yellow", "contact.closed": "dim"}


@dataclass(frozen=True)
class Event:
    """The fields of an event that a subscriber needs."""

    id: str
    type: str
    sequence: int
    contact_id: str
    message_id: str
    external_id: str
    source: str
    operator_id: int | None
    operator_name: str | None
    reason: str | None


def read_event(body: bytes) -> Event:
    """Parse an event from its CloudEvents envelope."""
    envelope: dict[str, Any] = json.loads(body)
    data = envelope["data"]
    operator = data["operator"] or {"id": None, "name": None}
    return Event(
        id=envelope["id"],
        type=envelope["type"],
        sequence=data["sequence"],
        contact_id=data["contact"]["id"],
        message_id=data["contact"]["message_id"],
        external_id=data["lead"]["external_id"],
        source=data["source"]["code"],
        operator_id=operator["id"],
        operator_name=operator["name"],
        reason=data["reason"],
    )


def describe(event: Event) -> str:
    """One short line, with rich's markup."""
    colour = _COLOURS.get(event.type, "cyan")
    operator = event.operator_name or "no operator yet"
    line = f"{event.external_id} via {event.source} → {operator}"
    return f"[{colour}]{escape(escaped(f'{event.type:<18}'))}[/] {escape(escaped(line))}"


class Subscriber:
    """Passes each event on once, however often it is delivered."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._seen: set[str] = set()
        self.repeated = 0

    def take(self, body: bytes) -> None:
        """Process one delivery."""
        event = read_event(body)
        if event.id in self._seen:
            self.repeated += 1
            return
        self._seen.add(event.id)
        self._on_event(event)


@asynccontextmanager
async def subscribe(
    amqp_url: str, on_event: Callable[[Event], None], prefix: str = "", queue_name: str = ""
) -> AsyncIterator[Subscriber]:
    """A subscriber with a connection and a queue of its own; the queue ends with it.

    A broker user with few rights may only declare queues whose names have the prefix that the broker's admin allowed.
    """
    subscriber = Subscriber(on_event)

    async def deliver(message: AbstractIncomingMessage) -> None:
        subscriber.take(message.body)
        await message.ack()

    connection = await aio_pika.connect_robust(amqp_url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(_PREFETCH)
        exchange = await channel.get_exchange(f"{prefix}assignments")
        queue = await channel.declare_queue(queue_name or None, exclusive=True, auto_delete=True)
        await queue.bind(exchange, "#")
        await queue.consume(deliver)
        yield subscriber


async def print_events(amqp_url: str, prefix: str, queue_name: str, count: int) -> None:
    """Print events until `count` are seen (0: without end) or a signal arrives."""
    console, events = Console(highlight=False), asyncio.Queue[Event | None]()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, events.put_nowait, None)
    async with subscribe(amqp_url, events.put_nowait, prefix, queue_name):
        console.print("listening, Ctrl-C ends it")
        for seen in itertools.count(1):
            event = await events.get()
            if event is None:
                return
            console.print(describe(event))
            if seen == count:
                return


def main(
    count: Annotated[int, typer.Option(min=0, help="Stop after so many events; 0: never.")] = 0,
    queue: Annotated[str, typer.Option(help="Name of its queue; else the broker makes one up.")] = "",
    amqp_url: AmqpUrl = "amqp://guest:guest@127.0.0.1:5672/%2F",
    prefix: Prefix = "",
) -> None:
    """Print each event as it arrives."""
    tolerate_any_encoding()
    try:
        asyncio.run(print_events(amqp_url, prefix, queue, count))
    except (aio_pika.exceptions.AMQPError, OSError) as error:
        say(escaped(f"cannot listen (has the worker been started?): {error}"), err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
