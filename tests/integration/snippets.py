"""What README and docs/contract/ show to copy, to be run as it stands."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

from distribution.messages import CLOUDEVENTS_TYPE, Incoming
from tests.node_programs import NODE, node_modules

PAGES = Path(__file__).parents[2] / "docs" / "contract"
SECONDS = 120
INSTALLATIONS = ("pip install", "npm install")


def blocks(page: str, language: str) -> list[str]:
    """The page's code in a language, without how to install a library."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for block in found if not block.startswith(INSTALLATIONS)]


@dataclass(frozen=True)
class Exchanges:
    """Both exchanges as a worker declares them, and queues that keep what is published."""

    url: str
    channel: AbstractChannel
    contacts: AbstractExchange
    assignments: AbstractExchange
    inbound: AbstractQueue

    async def published(self) -> Incoming:
        """The message that the snippet published, as the worker reads it."""
        got = await self.inbound.get()
        await got.ack()
        return Incoming(
            got.body,
            message_id=got.message_id,
            type=got.type,
            content_type=got.content_type,
            reply_to=got.reply_to,
            correlation_id=got.correlation_id,
        )

    async def tell(self, event: Mapping[str, Any]) -> None:
        """Publish an event as the worker does."""
        await self.assignments.publish(message(event), f"{event['type']}.telegram-bot.17")


def message(event: Mapping[str, Any], correlation_id: str | None = None) -> aio_pika.Message:
    """An event or a reply, as the worker sends it."""
    body = json.dumps(event).encode()
    return aio_pika.Message(body, content_type=CLOUDEVENTS_TYPE, delivery_mode=2, correlation_id=correlation_id)


async def started(command: list[str], exchanges: Exchanges, **environment: str) -> asyncio.subprocess.Process:
    """A snippet at work."""
    return await asyncio.create_subprocess_exec(
        *command, env=os.environ | {"AMQP_URL": exchanges.url} | environment, stdout=subprocess.PIPE
    )


async def status(command: list[str], exchanges: Exchanges, **environment: str) -> int:
    """Run a snippet to its end; returns its exit status."""
    child = await started(command, exchanges, **environment)
    async with asyncio.timeout(SECONDS):
        return await child.wait()


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
