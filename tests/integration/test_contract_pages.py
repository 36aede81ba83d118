"""What docs/contract/ shows to copy does what the pages say."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from admin_api.asyncapi.examples import event_example
from devservices.amqp_tools import require_amqp_tools
from devservices.broker import Broker
from distribution.events import ASSIGNED, PARKED, REASSIGNED
from distribution.messages import CLOUDEVENTS_TYPE, Closing, Incoming, Submission, decode
from tests.integration.contract_pages import blocks
from tests.node_programs import NODE, node_modules

SECONDS = 120


@dataclass(frozen=True)
class Exchanges:
    """Both exchanges as a worker declares them, and queues that keep what is published."""

    url: str
    channel: AbstractChannel
    assignments: AbstractExchange
    inbound: AbstractQueue

    async def published(self) -> Incoming:
        """The message that the snippet published, as the worker reads it."""
        message = await self.inbound.get()
        await message.ack()
        return Incoming(
            message.body,
            message_id=message.message_id,
            type=message.type,
            content_type=message.content_type,
            reply_to=message.reply_to,
            correlation_id=message.correlation_id,
        )

    async def tell(self, event: Mapping[str, Any]) -> None:
        """Publish an event as the worker does."""
        await self.assignments.publish(_message(event), f"{event['type']}.telegram-bot.17")


def _message(event: Mapping[str, Any], correlation_id: str | None = None) -> aio_pika.Message:
    body = json.dumps(event).encode()
    return aio_pika.Message(body, content_type=CLOUDEVENTS_TYPE, delivery_mode=2, correlation_id=correlation_id)


@pytest.fixture
async def exchanges(rabbitmq: Broker) -> AsyncIterator[Exchanges]:
    """What a worker would have declared; nothing of it is left behind."""
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        contacts, assignments = [
            await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
            for name in ("contacts", "assignments")
        ]
        inbound = await channel.declare_queue(exclusive=True)
        await inbound.bind(contacts, "contact.#")
        log = await channel.declare_queue("assignments.log", durable=True, arguments={"x-queue-type": "stream"})
        await log.bind(assignments, "#")
        yield Exchanges(rabbitmq.url, channel, assignments, inbound)
        for queue in ("assignments.log", "my-subscriber"):
            await channel.queue_delete(queue)
        await contacts.delete()
        await assignments.delete()


async def started(command: list[str], exchanges: Exchanges, **environment: str) -> asyncio.subprocess.Process:
    """A snippet at work."""
    return await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"AMQP_URL": exchanges.url} | environment, stdout=subprocess.PIPE
    )


async def ended(command: list[str], exchanges: Exchanges, **environment: str) -> None:
    """Run a snippet to its end, which is a good one."""
    child = await started(command, exchanges, **environment)
    async with asyncio.timeout(SECONDS):
        assert await child.wait() == 0


async def lines(child: asyncio.subprocess.Process, count: int) -> list[str]:
    """The first lines that a snippet prints."""
    assert child.stdout is not None
    async with asyncio.timeout(SECONDS):
        return [(await child.stdout.readline()).decode().strip() for _ in range(count)]


async def finished(child: asyncio.subprocess.Process) -> None:
    """End a snippet that goes on until it is stopped."""
    child.terminate()
    async with asyncio.timeout(SECONDS):
        await child.wait()


def python(code: str) -> list[str]:
    """The command that runs it."""
    return [sys.executable, "-c", code]


def node(code: str) -> list[str]:
    """The command that runs it, where it finds what `npm install` installs."""
    return ["env", f"NODE_PATH={node_modules()}", str(NODE), "-e", code]


def test_the_messages_of_the_bots_page_are_understood() -> None:
    """The submission, the closing of it, and the CloudEvent."""
    submit, close, event = blocks("bots.md", "json")
    submission = decode(Incoming(submit.encode(), content_type="application/json"), 10_000)
    closing = decode(Incoming(close.encode(), type="contact.close"), 10_000)
    as_event = decode(Incoming(event.encode(), content_type=CLOUDEVENTS_TYPE), 10_000)
    assert isinstance(submission, Submission)
    assert isinstance(closing, Closing)
    assert isinstance(as_event, Submission)
    assert (closing.source, closing.message_id) == (submission.source, submission.message_id)
    assert (as_event.message_id, as_event.producer) == ("telegram-bot-1001-1", "/bots/telegram")


def test_the_event_of_the_subscribers_page_has_every_field() -> None:
    """The same fields as the code writes, at every level but the payload."""
    (shown,) = blocks("subscribers.md", "json")
    assert names(json.loads(shown)) == names(event_example(ASSIGNED))


def names(value: object) -> object:
    """The names of an object's fields, and of theirs."""
    return {name: names(inner) for name, inner in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize("language", ["python", "js"])
async def test_a_bot_publishes_a_contact(exchanges: Exchanges, language: str) -> None:
    """It ends once the broker has confirmed it; its key is in the body."""
    code = blocks("bots.md", language)[-1]
    await ended(python(code) if language == "python" else node(code), exchanges)
    submission = decode(await exchanges.published(), 10_000)
    assert isinstance(submission, Submission)
    assert (submission.source, submission.message_id) == ("telegram-bot", "telegram-bot-1001-1")


async def test_a_bot_that_asks_for_the_outcome_prints_it(exchanges: Exchanges) -> None:
    """The reply to its own message, with its own correlation id."""
    child = await started(python(blocks("bots.md", "python")[0]), exchanges)
    async with asyncio.timeout(SECONDS), exchanges.inbound.iterator() as requests:
        request = await anext(requests)
        await request.ack()
    assert request.reply_to
    reply = _message(event_example(PARKED), request.correlation_id)
    await exchanges.channel.default_exchange.publish(reply, request.reply_to)
    [line] = await lines(child, 1)
    assert line.startswith("telegram-bot-1001-2 contact.parked {'code': 'unknown_source'")
    assert await child.wait() == 0


async def test_the_shell_submits_and_closes(exchanges: Exchanges) -> None:
    """A plain body, and a CloudEvent where a type is needed."""
    require_amqp_tools()
    (command,) = [block for block in blocks("bots.md", "sh") if "amqp-publish" in block]
    url = exchanges.url.removesuffix("/%2F").removesuffix("/")
    await ended(["sh", "-ec", command], exchanges, AMQP_URL=url)
    submission, closing = [decode(await exchanges.published(), 10_000) for _ in range(2)]
    assert isinstance(submission, Submission)
    assert isinstance(closing, Closing)
    assert (closing.source, closing.message_id) == (submission.source, submission.message_id)


async def test_the_subscriber_handles_each_event_once(exchanges: Exchanges, tmp_path: Path) -> None:
    """An event that comes again is skipped; the one after it is not."""
    (code,) = blocks("subscribers.md", "python")
    queue = await exchanges.channel.declare_queue("my-subscriber", durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind(exchanges.assignments, "contact.#")
    again, moved = event_example(ASSIGNED), event_example(REASSIGNED) | {"id": "another"}
    for event in (again, again, moved):
        await exchanges.tell(event)
    child = await started(python(code), exchanges, SUBSCRIBER_DATABASE=str(tmp_path / "subscriber.db"))
    contact = again["data"]["contact"]["id"]
    assert await lines(child, 2) == [f"{contact} belongs to Olga", f"{contact} belongs to Ivan"]
    await finished(child)


async def test_the_log_is_replayed_from_its_beginning(exchanges: Exchanges) -> None:
    """Events that were published before the reader came, with their place in the log."""
    (code,) = blocks("subscribers.md", "js")
    for event in (event_example(ASSIGNED), event_example(REASSIGNED)):
        await exchanges.tell(event)
    child = await started(node(code), exchanges)
    shown = await lines(child, 2)
    await finished(child)
    identifier = event_example(ASSIGNED)["id"]
    assert shown == [f"0 {identifier} contact.assigned", f"1 {identifier} contact.reassigned"]
