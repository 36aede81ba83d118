"""Whatever is sent, the worker stays small and answers: what it holds is bounded by bytes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.store.tables import contacts, parked_messages
from distribution.store.transactions import reading
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS, bot_at, message
from tests.e2e.load import watched
from tests.e2e.programs import Process, Programs
from tests.factories import open_source
from tests.polling import until
from worker.broker.topology import Topology

Kind = Callable[[str, int], Iterator[bytes]]
MOST_MIB = 250
SILENCE_SECONDS = 5.0
"""For a busy machine; `python -m benchmarks --only hostile` measures it."""
LARGE = 250_000
HUGE = 16 * 1024 * 1024
TOGETHER = 50
TOGETHER = 50


def emoji(source: str, number: int) -> Iterator[bytes]:
    """Texts that take four times their bytes in memory, because of one letter."""
    text = json.dumps({"source": source, "lead": {"external_id": "e"}, "payload": "x" * LARGE}).encode()
    yield from [text.replace(b"xxxx", "🙂".encode(), 1)] * number


def nested(source: str, number: int) -> Iterator[bytes]:
    """As many small objects as a body can hold."""
    payload = [{"a": [0]}] * (LARGE // 11)
    text = json.dumps({"source": source, "lead": {"external_id": "n"}, "payload": payload}, separators=(",", ":"))
    yield from [text.encode()] * number


def huge(_: str, number: int) -> Iterator[bytes]:
    """Far more than is taken."""
    yield from [b"x" * HUGE] * number


def small(source: str, number: int) -> Iterator[bytes]:
    """What a bot usually sends."""
    yield from [json.dumps({"source": source, "lead": {"external_id": "s"}}).encode()] * number


def mixed(source: str, number: int) -> Iterator[bytes]:
    """Small ones for a while, so that the worker asks for many, then all kinds together."""
    yield from small(source, 20 * number)
    for group in zip(*[kind(source, number) for kind in (small, emoji, nested)], strict=True):
        yield from group
    yield from huge(source, number // 10)
    yield from small(source, number)


@pytest.mark.parametrize(
    ("database_url", "kind", "source", "number"),
    [
        pytest.param("sqlite", emoji, "nobody", 300, id="emoji"),
        pytest.param("sqlite", nested, "nobody", 40, id="nested"),
        pytest.param("postgresql", huge, "s", 20, id="huge"),
        pytest.param("postgresql", mixed, "s", 20, id="mixed"),
    ],
    indirect=["database_url"],
)
async def test_memory_and_health(
    programs: Programs, engine: AsyncEngine, rabbitmq: Broker, kind: Kind, source: str, number: int
) -> None:
    """Everything becomes a contact or a parked row, under 250 MiB, and the health page answers all the while."""
    await open_source(engine, "s", {"Olga": (1, 100_000)})
    prefix = programs.settings["BROKER_PREFIX"]
    await declare_at(rabbitmq.url, Topology(prefix, "1h"))
    bodies = list(kind(source, number))
    async with bot_at(rabbitmq.url, prefix) as bot:
        for first in range(0, len(bodies), TOGETHER):
            some = enumerate(bodies[first : first + TOGETHER], first)
            await bot.publish([message(body, f"m-{n}") for n, body in some])
        worker = await programs.start("worker")
        await worker.until_ready()
        async with watched(worker) as readiness:
            await until(lambda: are_settled(engine, len(bodies)), PATIENCE_SECONDS)
        print(f"{peak_mib(worker):.0f} MiB, {readiness.slowest:.2f} s")  # noqa: T201 - figures for docs/performance.md
        assert peak_mib(worker) < MOST_MIB
        assert readiness.slowest < SILENCE_SECONDS
        assert await worker.stop() == 0


async def are_settled(engine: AsyncEngine, number: int) -> bool:
    """Whether each message is a contact or parked."""
    async with reading(engine) as conn:
        made = await conn.scalar(sa.select(sa.func.count()).select_from(contacts)) or 0
        return made + (await conn.scalar(sa.select(sa.func.count()).select_from(parked_messages)) or 0) >= number


def peak_mib(process: Process) -> float:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
