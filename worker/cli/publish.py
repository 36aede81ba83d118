"""`contacts-worker publish`: messages to `contacts`, as a bot publishes them."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity, DeliveryError
from pamqp.commands import Basic

from distribution.errors import DistributionError
from distribution.ids import new_id
from distribution.terminal import escaped
from worker.cli.tools import broker_settings, channel, run
from worker.settings import WorkerSettings
from worker.topology import Topology

IN_FLIGHT = 200
NOT_ALL, PERSISTENT = 1, 2
SUBMIT = "contact.submit"
SHORT_STRING_BYTES = 255


class BadLine(DistributionError):
    """A line that is no message."""

    code = "bad_line"


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `line` says where it came from."""

    line: int
    message_id: str
    type: str
    body: bytes

    @property
    def routing_key(self) -> str:
        """Advice for whoever listens; the message decides."""
        return f"{self.type}.cli"


def publish(
    source: Annotated[str | None, typer.Option(help="code of the source")] = None,
    external_id: Annotated[str | None, typer.Option(help="the lead's external_id")] = None,
    message_id: Annotated[str | None, typer.Option(help="the key; a new one where none is given")] = None,
    payload: Annotated[str | None, typer.Option(help="JSON")] = None,
    phone: Annotated[str | None, typer.Option()] = None,
    email: Annotated[str | None, typer.Option()] = None,
    file: Annotated[Path | None, typer.Option(help="JSONL, - for standard input, instead of one message")] = None,
) -> None:
    """Publish one contact, or a file of messages, and wait until the broker has confirmed each.

    A line of a file is a submission with its key, {"message_id": "m-1", "source": "web", "lead": {"external_id": "7"}},
    or any message: {"message_id": "c-1", "type": "contact.close", "body": {"source": "web", "message_id": "m-1"}}.

    Exit status 1 where a message was not published; each such line is named.
    """
    if file is not None:
        text = _read(file)
        failed = run(_publish_all(broker_settings(), text))
    else:
        failed = run(_publish_all(broker_settings(), _one(source, external_id, message_id, payload, phone, email)))
    raise typer.Exit(NOT_ALL if failed else 0)


def messages(text: str) -> Iterator[Message | BadLine]:
    """The message of each line, or what is wrong with it; empty lines are none."""
    for number, line in enumerate(StringIO(text), start=1):
        if line.strip():
            try:
                yield parse(number, line)
            except BadLine as bad:
                yield bad


def parse(number: int, line: str) -> Message:
    """A line as a message, or BadLine."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"line {number}: is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadLine(f"line {number}: is not a JSON object")
    message_id, kind = content.pop("message_id", None), content.pop("type", SUBMIT)
    for name, value in (("message_id", message_id), ("type", kind)):
        if not isinstance(value, str) or not 0 < len(value.encode()) <= SHORT_STRING_BYTES:
            raise BadLine(f"line {number}: {name} must be a text of 1 to {SHORT_STRING_BYTES} bytes")
    return Message(number, message_id, kind, orjson.dumps(content.get("body", content)))


def _one(
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
        content: Any = None if payload is None else orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"--payload is not JSON: {error}") from None
    lead: Mapping[str, Any] = {"external_id": external_id, "phone": phone, "email": email}
    line = {"message_id": key or str(new_id()), "source": source, "lead": lead, "payload": content}
    return orjson.dumps(line).decode()


def _read(file: Path) -> str:
    try:
        return (sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from None


async def _publish_all(settings: WorkerSettings, text: str) -> int:
    """Publish every message; answers how many lines were not published."""
    lines = list(messages(text))
    exchange = Topology(settings.broker_prefix, settings.event_log_max_age).contacts
    room, failures = asyncio.Semaphore(IN_FLIGHT), [each for each in lines if isinstance(each, BadLine)]
    async with channel(settings, "publish", confirms=True) as broker:
        # Asked for by name first: a missing exchange would end the channel in the midst of the window.
        await _there(broker, exchange)
        # Only if the worker asks for it: where users have other names for the broker, it would refuse this one.
        user = broker.connection.url.user if settings.bot_users else None
        with typer.progressbar(length=len(lines), label="publishing", file=sys.stderr) as bar:
            bar.update(len(failures))

            async def one(message: Message) -> None:
                async with room:
                    try:
                        await _publish(broker, exchange, message, user)
                    except DeliveryError as refused:
                        failures.append(BadLine(f"line {message.line}: the broker did not take it: {refused}"))
                    bar.update(1)

            await asyncio.gather(*[one(each) for each in lines if isinstance(each, Message)])
    for failure in failures:
        typer.echo(escaped(str(failure)), err=True)
    published = [each for each in lines if isinstance(each, Message)]
    last = f", the key is {published[0].message_id}" if len(lines) == len(published) == 1 else ""
    typer.echo(escaped(f"{len(lines) - len(failures)} of {len(lines)} messages published and confirmed{last}"))
    return len(failures)


async def _there(broker: AbstractChannel, exchange: str) -> None:
    try:
        await broker.exchange_declare(exchange, passive=True)
    except ChannelNotFoundEntity:
        raise DistributionError(f"the broker has no exchange {exchange}: start the worker once, it makes it") from None


async def _publish(broker: AbstractChannel, exchange: str, message: Message, user: str | None) -> None:
    await broker.basic_publish(
        message.body,
        exchange=exchange,
        routing_key=message.routing_key,
        mandatory=True,
        properties=Basic.Properties(
            message_id=message.message_id,
            message_type=message.type,
            content_type="application/json",
            delivery_mode=PERSISTENT,
            user_id=user,
        ),
    )
