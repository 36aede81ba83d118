"""A bot: publishes submissions to the exchange `contacts`, and receives their outcomes if it asks for them.

Publishing again after an error is safe: the key (`message_id`) is the same, so it is the same contact.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import aio_pika
import typer
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractQueue

from distribution.terminal import escaped, say, tolerate_any_encoding
from examples.options import AmqpUrl, Prefix

SUBMIT = "contact.submit"
PARKED = "contact.parked"
IN_FLIGHT = 200
# RabbitMQ's direct reply-to: no queue is declared, so the bot needs no right to declare one.
REPLY_TO = "amq.rabbitmq.reply-to"
_CONFIRM_SECONDS = 30.0
_OUTCOME_SECONDS = 30.0


@dataclass(frozen=True)
class Submission:
    """One message to publish. With `asks_outcome`, the worker replies with its outcome."""

    message_id: str
    source: str
    body: bytes
    asks_outcome: bool = False

    def asking_outcome(self) -> "Submission":
        """The same message, with a request for its outcome."""
        return replace(self, asks_outcome=True)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a submission: an event, or `contact.parked` with a code and a detail."""

    message_id: str
    id: str
    type: str
    data: dict[str, Any]


def submission(source: str, external_id: str, message_id: str, text: str, phone: str | None = None) -> Submission:
    """The submission of one contact."""
    lead = {"external_id": external_id, "phone": phone}
    body = json.dumps({"source": source, "lead": lead, "payload": {"text": text}}).encode()
    return Submission(message_id, source, body)


class Bot:
    """Publishes on one channel, with confirms, many messages in flight."""

    def __init__(
        self, exchange: AbstractExchange, replies: AbstractQueue, on_outcome: Callable[[Outcome], None]
    ) -> None:
        self._exchange = exchange
        self._replies = replies
        self._on_outcome = on_outcome
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    async def publish(self, submissions: Iterable[Submission]) -> int:
        """Publish them in order; returns how many the broker confirmed: all of them, else it raises an error."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._publish_one(submission)) for submission in submissions]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return len(tasks)

    async def listen(self) -> None:
        """Start consuming outcomes."""
        await self._replies.consume(self._on_reply, no_ack=True)

    async def _publish_one(self, submission: Submission) -> None:
        message = aio_pika.Message(
            submission.body,
            message_id=submission.message_id,
            type=SUBMIT,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            reply_to=self._replies.name if submission.asks_outcome else None,
            correlation_id=submission.message_id if submission.asks_outcome else None,
        )
        async with self._in_flight:
            await self._exchange.publish(message, f"{SUBMIT}.{submission.source}", timeout=_CONFIRM_SECONDS)

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        envelope = json.loads(message.body)
        self._on_outcome(Outcome(str(message.correlation_id), envelope["id"], envelope["type"], envelope["data"]))


@asynccontextmanager
async def connect_bot(
    amqp_url: str, prefix: str = "", on_outcome: Callable[[Outcome], None] = lambda _: None
) -> AsyncIterator[Bot]:
    """A bot with a connection of its own."""
    connection = await aio_pika.connect_robust(amqp_url)
    async with connection:
        # Without on_return_raises a message that no queue takes raises no error, and would be lost silently.
        channel: AbstractChannel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(f"{prefix}contacts")
        replies = await channel.get_queue(REPLY_TO, ensure=False)
        bot = Bot(exchange, replies, on_outcome)
        await bot.listen()
        yield bot


async def publish_some(amqp_url: str, prefix: str, source: str, count: int, leads: int) -> None:
    """Publish contacts of a few leads and print each outcome."""
    run = secrets.token_hex(3)
    outcomes = asyncio.Queue[Outcome]()
    submissions = [
        submission(source, f"{source}:{number % leads}", f"{run}-{number}", f"Question {number}").asking_outcome()
        for number in range(count)
    ]
    async with connect_bot(amqp_url, prefix, outcomes.put_nowait) as bot:
        say(f"{await bot.publish(submissions)} published and confirmed")
        async with asyncio.timeout(_OUTCOME_SECONDS):
            for _ in submissions:
                outcome = await outcomes.get()
                say(escaped(f"{outcome.message_id}  {describe(outcome)}"))


def describe(outcome: Outcome) -> str:
    """The outcome in a few words."""
    if outcome.type == PARKED:
        return f"parked as {outcome.data['code']}: {outcome.data['detail']}"
    operator = outcome.data["operator"]
    return f"{outcome.type}: {operator['name'] if operator else 'no operator yet'}"


def main(
    source: Annotated[str, typer.Option(help="Code of the source; an admin has to make it first.")],
    count: Annotated[int, typer.Option(min=1, help="How many contacts.")] = 10,
    leads: Annotated[int, typer.Option(min=1, help="Of how many leads.")] = 5,
    amqp_url: AmqpUrl = "amqp://guest:guest@127.0.0.1:5672/%2F",
    prefix: Prefix = "",
) -> None:
    """Publish contacts as a bot would, and print each outcome."""
    tolerate_any_encoding()
    try:
        asyncio.run(publish_some(amqp_url, prefix, source, count, leads))
    except TimeoutError:
        say(f"no outcome within {_OUTCOME_SECONDS:.0f} s: is the worker running?", err=True)
        raise typer.Exit(1) from None
    except (aio_pika.exceptions.AMQPError, OSError) as error:
        say(escaped(f"the broker did not take it: {error}"), err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
