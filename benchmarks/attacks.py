"""What hostile and careless clients do to a worker: one kind of attack each, at a bounded rate, until cancelled."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import aiormq
import sqlalchemy as sa
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.environment import BenchmarkRun
from distribution.store.engine import create_engine
from distribution.store.tables import operators, source_operators, sources
from distribution.store.transactions import transaction

SOURCE, SOURCE_ID, OPERATOR_ID = "hostile", 1_000, 1_000
GARBAGE_REPLY_TO = "amq.rabbitmq.reply-to.g2dkABByZXBseUA.garbage=="
LARGE, HUGE = 250_000, 16_000_000
ROUTING_KEY = f"contact.submit.{SOURCE}"
TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """The worker's broker and database, and a channel to it for the attacker."""

    run: BenchmarkRun
    channel: AbstractChannel
    engine: AsyncEngine

    async def publish(
        self,
        body: bytes,
        *,
        message_type: str = "contact.submit",
        reply_to: str | None = None,
        expiration: str | None = None,
    ) -> None:
        """Publish one message to the worker's exchange, without waiting for a confirmation."""
        properties = Basic.Properties(
            message_id=secrets.token_hex(8),
            message_type=message_type,
            delivery_mode=2,
            reply_to=reply_to,
            expiration=expiration,
        )
        await self.channel.basic_publish(
            body, exchange=self.run.topology.contacts, routing_key=ROUTING_KEY, properties=properties
        )


Work = Callable[[Target], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Attack:
    """A name for the table, and the coroutine that attacks until it is cancelled."""

    name: str
    work: Work
    only_postgresql: bool = False


@dataclass(frozen=True, slots=True)
class Attacks:
    """Which attacks, and how long each lasts."""

    attacks: Sequence[Attack]
    seconds: float


@asynccontextmanager
async def target(run: BenchmarkRun) -> AsyncIterator[Target]:
    """The run, with a source and an operator that only the attackers use."""
    engine = create_engine(run.database_url, patient=True)
    now = datetime.now(UTC)
    operator = {"id": OPERATOR_ID, "name": "Mallory's", "is_active": True, "max_active_contacts": 10**6}
    source = {"id": SOURCE_ID, "code": SOURCE, "name": SOURCE, "strategy": "weighted_random", "sticky": False}
    async with transaction(engine) as conn:
        await conn.execute(sa.insert(operators).values(created_at=now, **operator))
        await conn.execute(sa.insert(sources).values(created_at=now, **source))
        await conn.execute(sa.insert(source_operators).values(source_id=SOURCE_ID, operator_id=OPERATOR_ID, weight=1))
    async with aiormq.connect(run.environment.broker.url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.queue_declare(
            f"{run.topology.prefix}full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        try:
            yield Target(run, channel, engine)
        finally:
            await channel.queue_delete(f"{run.topology.prefix}full")
            await engine.dispose()


def submission(payload: object) -> bytes:
    """A valid submission of the attackers' source."""
    return json.dumps({"source": SOURCE, "lead": {"external_id": "mallory"}, "payload": payload}).encode()


async def _repeat(per_second: float, act: Callable[[int], Coroutine[None, None, None]]) -> None:
    """Act `per_second` times a second, in ticks, for ever."""
    loop = asyncio.get_running_loop()
    begun, number = loop.time(), 0
    while True:
        while number < (loop.time() - begun) * per_second:
            await act(number)
            number += 1
        await asyncio.sleep(TICK_SECONDS)


async def nothing(_: Target) -> None:
    """No attack."""


async def garbage_replies(target: Target) -> None:
    """RabbitMQ before 4.0 closes the connection of a client that publishes to such a queue."""
    await _repeat(20, lambda _: target.publish(submission(1), reply_to=GARBAGE_REPLY_TO))


async def full_replies(target: Target) -> None:
    """A bounded reply queue that no client consumes."""
    await _repeat(50, lambda _: target.publish(submission(1), reply_to=f"{target.run.topology.prefix}full"))


async def full_subscriber(target: Target) -> None:
    """A subscriber of the attackers' events whose bounded queue is full."""
    queue, exchange = f"{target.run.topology.prefix}full", target.run.topology.assignments
    await target.channel.queue_bind(queue, exchange, routing_key=f"contact.*.{SOURCE}.#")
    await _repeat(50, lambda _: target.publish(submission(1)))


async def broken_messages(target: Target) -> None:
    """Bodies that are not JSON."""
    await _repeat(300, lambda _: target.publish(b"\xff{"))


async def junk_closes(target: Target) -> None:
    """Closes of contacts that never existed: each is deferred and tried four more times."""

    async def close(number: int) -> None:
        body = json.dumps({"source": SOURCE, "message_id": f"never-{number}"}).encode()
        await target.publish(body, message_type="contact.close")

    await _repeat(300, close)


async def large_payloads(target: Target) -> None:
    """Payloads near the limit, with a character that makes Python store four bytes for each."""
    await _repeat(20, lambda _: target.publish(submission("x" * LARGE + "\U0001f600")))


async def nested_payloads(target: Target) -> None:
    """Payloads near the limit that take long to parse."""
    body = submission([[{"a": [1, 2]}]] * 12_000)
    await _repeat(10, lambda _: target.publish(body))


async def huge_messages(target: Target) -> None:
    """Messages far over the size limit."""
    await _repeat(1, lambda _: target.publish(b"x" * HUGE))


async def expiring_messages(target: Target) -> None:
    """Messages that the broker expires at once."""
    await _repeat(100, lambda _: target.publish(submission(1), expiration="0"))


async def locked_operator(target: Target) -> None:
    """A session keeps an operator's row locked (SELECT FOR UPDATE) while messages of its source arrive."""
    async with target.engine.connect() as conn:
        await conn.execute(sa.select(operators.c.id).where(operators.c.id == OPERATOR_ID).with_for_update())
        await _repeat(20, lambda _: target.publish(submission(1)))


async def everything(target: Target) -> None:
    """All attacks at once, except those that only PostgreSQL allows."""
    attacks = [attack for attack in ATTACKS if attack.work not in (everything, nothing) and not attack.only_postgresql]
    await asyncio.gather(*[attack.work(target) for attack in attacks])


ATTACKS = (
    Attack("none", nothing),
    Attack("garbage as reply_to", garbage_replies),
    Attack("a full reply queue", full_replies),
    Attack("a full subscriber", full_subscriber),
    Attack("broken messages", broken_messages),
    Attack("closes of nothing", junk_closes),
    Attack("payloads of 250 kB", large_payloads),
    Attack("nested payloads of 250 kB", nested_payloads),
    Attack("messages of 16 MB", huge_messages),
    Attack("expiring messages", expiring_messages),
    Attack("a locked operator", locked_operator, only_postgresql=True),
    Attack("everything at once", everything),
)
