"""`contacts-worker publish`: publishes messages to `contacts`, as a bot does."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import aio_pika
import typer
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import DeliveryError

from distribution.errors import DistributionError, MessageRejected
from distribution.ids import new_id
from distribution.messages import parsed, written
from distribution.terminal import escaped, say
from worker.broker.connection import open_connection
from worker.cli.reply_receiver import REPLY_TO, Replies, describe_reply, is_parked
from worker.cli.session import broker_settings, required, run
from worker.settings import WorkerSettings

IN_FLIGHT = 200
NOT_ALL, NO_OUTCOME = 1, 3
SUBMIT = "contact.submit"
SHORT_STRING_BYTES = 255


class BadLine(DistributionError):
    """A line that is not a message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `line` is its line number."""

    line: int
    message_id: str
    type: str
    body: bytes

    @property
    def routing_key(self) -> str:
        """Informative only: the type in the message decides."""
        return f"{self.type}.cli"


def publish(
    source: Annotated[str | None, typer.Option(help="code of the source")] = None,
    external_id: Annotated[str | None, typer.Option(help="the lead's external_id")] = None,
    message_id: Annotated[str | None, typer.Option(help="the key; a new one if none is given")] = None,
    payload: Annotated[str | None, typer.Option(help="JSON")] = None,
    phone: Annotated[str | None, typer.Option()] = None,
    email: Annotated[str | None, typer.Option()] = None,
    file: Annotated[Path | None, typer.Option(help="JSONL, - for standard input, instead of one message")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome of each message, and print it.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="with --wait: seconds without any outcome")] = 30.0,
) -> None:
    """Publish one contact, or a file of messages, and wait until the broker has confirmed each.

    A line of a file is a submission with its key, {"message_id": "m-1", "source": "web", "lead": {"external_id": "7"}},
    or any message: {"message_id": "c-1", "type": "contact.close", "body": {"source": "web", "message_id": "m-1"}}.

    Exit status 1 if a message was not published, or was parked with --wait; each such line is named. With --wait 3
    if there was no outcome in time: the message is published all the same.
    """
    patience = timeout if wait else None
    text = (
        _read_file(file) if file is not None else _single_line(source, external_id, message_id, payload, phone, email)
    )
    raise typer.Exit(run(_publish_all(broker_settings(), text, patience)))


def messages(text: str) -> Iterator[Message | BadLine]:
    """The message of each line, or what is wrong with it; empty lines are skipped."""
    for number, line in enumerate(StringIO(text.removeprefix("\ufeff")), start=1):
        if line.strip():
            try:
                yield parse(number, line)
            except BadLine as bad:
                yield bad


def parse(number: int, line: str) -> Message:
    """Parse a line; raises BadLine."""
    try:
        content = parsed(line)
    except MessageRejected as rejected:
        raise BadLine(f"line {number}: {_reason(rejected)}") from None
    if not isinstance(content, dict):
        raise BadLine(f"line {number}: is not a JSON object")
    message_id, kind = content.pop("message_id", None), content.pop("type", SUBMIT)
    for name, value in (("message_id", message_id), ("type", kind)):
        if not isinstance(value, str) or not 0 < len(value.encode()) <= SHORT_STRING_BYTES:
            raise BadLine(f"line {number}: {name} must be a string of 1 to {SHORT_STRING_BYTES} bytes")
    return Message(number, message_id, kind, written(content.get("body", content)))


def _single_line(
    source: str | None,
    external_id: str | None,
    key: str | None,
    payload: str | None,
    phone: str | None,
    email: str | None,
) -> str:
    if not source or not external_id:
        raise typer.BadParameter("give --source and --external-id, or --file")
    try:
        content = None if payload is None else parsed(payload)
    except MessageRejected as rejected:
        raise typer.BadParameter(f"--payload {_reason(rejected)}") from None
    lead: Mapping[str, Any] = {"external_id": external_id, "phone": phone, "email": email}
    line = {"message_id": key or str(new_id()), "source": source, "lead": lead, "payload": content}
    return written(line).decode()


def _reason(rejected: MessageRejected) -> str:
    return rejected.detail.removeprefix("The body ")


def _read_file(file: Path) -> str:
    try:
        return (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from None


async def _publish_all(settings: WorkerSettings, text: str, patience: float | None) -> int:
    """Publish every message and, with patience, wait for the outcomes; returns the exit status."""
    lines = list(messages(text))
    topology = settings.topology
    good = [line for line in lines if isinstance(line, Message)]
    failures = [line for line in lines if isinstance(line, BadLine)]
    async with await open_connection(settings.brokers, "publish") as connection:
        channel = await connection.channel(on_return_raises=True)
        # Checked first: a missing exchange would end the channel while messages are in flight.
        with required(f"exchange {topology.contacts}"):
            contacts = await channel.get_exchange(topology.contacts)
        replies = Replies(channel)
        if patience is not None:
            await replies.listen()
        # Only if the worker needs it: a broker that knows the user by another name would refuse this one.
        user = connection.url.user if settings.bot_users else None
        outgoing = partial(_outgoing, user=user, reply_to=None if patience is None else REPLY_TO)
        with typer.progressbar(length=len(lines), label="publishing", file=sys.stderr) as bar:
            bar.update(len(failures))
            refused = await _publish_good(contacts, good, outgoing, bar.update)
        _print_published(lines, [*failures, *refused.values()])
        confirmed = [message for message in good if message.line not in refused]
        outcome = 0
        if patience is not None:
            outcomes = await replies.wait_for([str(message.line) for message in confirmed], patience)
            outcome = _print_outcomes(confirmed, outcomes, patience)
        return NOT_ALL if failures or refused else outcome


async def _publish_good(
    contacts: AbstractExchange,
    good: list[Message],
    outgoing: Callable[[Message], aio_pika.Message],
    on_done: Callable[[int], None],
) -> dict[int, BadLine]:
    """Publish with many in flight; returns what the broker refused, by line number."""
    room, refused = asyncio.Semaphore(IN_FLIGHT), dict[int, BadLine]()

    async def one(message: Message) -> None:
        async with room:
            try:
                await contacts.publish(outgoing(message), message.routing_key)
            except DeliveryError as why:
                refused[message.line] = BadLine(f"line {message.line}: the broker did not take it: {why}")
            on_done(1)

    await asyncio.gather(*[one(message) for message in good])
    return refused


def _print_published(lines: Sequence[Message | BadLine], failures: Sequence[BadLine]) -> None:
    for failure in failures:
        say(escaped(str(failure)), err=True)
    only = lines[0] if len(lines) == 1 else None
    last = f", the key is {only.message_id}" if isinstance(only, Message) else ""
    say(escaped(f"{len(lines) - len(failures)} of {len(lines)} messages published and confirmed{last}"))


def _print_outcomes(confirmed: Sequence[Message], outcomes: Mapping[str, Mapping[str, Any]], patience: float) -> int:
    """Print a line for each message, in order; returns the exit status."""
    silent = 0
    for message in confirmed:
        outcome = outcomes.get(str(message.line))
        if outcome is not None:
            say(escaped(f"{message.message_id}: {describe_reply(outcome)}"))
        else:
            silent += 1
            say(escaped(f"{message.message_id}: no outcome yet"), err=True)
    if silent:
        say(f"nothing more was heard for {patience:g} s: does the worker run? Later outcomes are events.", err=True)
    if any(is_parked(outcome) for outcome in outcomes.values()):
        return NOT_ALL
    return NO_OUTCOME if silent else 0


def _outgoing(message: Message, *, user: str | None, reply_to: str | None) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        message_id=message.message_id,
        type=message.type,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        user_id=user,
        reply_to=reply_to,
        correlation_id=str(message.line) if reply_to else None,
    )
