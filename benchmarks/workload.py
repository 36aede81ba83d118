"""The messages that are sent, and the operators and sources for them."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import aiormq
import orjson
import sqlalchemy as sa
from pamqp.commands import Basic
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.store.tables import operators, source_operators, sources
from distribution.store.transactions import transaction

IN_FLIGHT = 500
LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of messages, operators, sources and leads; `limit`: each operator's limit of active contacts."""

    messages: int = 20_000
    operators: int = 20
    sources: int = 4
    leads: int = 5_000
    limit: int = LIMIT


@dataclass(frozen=True, slots=True)
class Message:
    """One submission as a bot sends it."""

    message_id: str
    body: bytes

    @property
    def properties(self) -> Basic.Properties:
        """Persistent, with everything that the contract asks for."""
        return Basic.Properties(
            message_id=self.message_id,
            message_type="contact.submit",
            content_type="application/json",
            delivery_mode=2,
        )


def make_messages(size: Size, seed: int) -> Iterator[Message]:
    """The same submissions for every candidate."""
    random = Random(seed)  # noqa: S311 - a workload that can be repeated
    for number in range(size.messages):
        lead = random.randrange(size.leads)
        body = {
            "source": f"source-{random.randrange(size.sources)}",
            "lead": {"external_id": f"lead-{lead}", "phone": f"+4930{lead:07d}", "email": f"lead-{lead}@example.com"},
            "payload": {"text": f"Enquiry {number}: please call me back about the offer.", "page": "/offers/spring"},
        }
        yield Message(f"m-{seed}-{number}", orjson.dumps(body))


async def publish(url: str, exchange: str, messages: Iterable[Message]) -> None:
    """Publish the messages and wait until the broker has confirmed each."""
    async with aiormq.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        room = asyncio.Semaphore(IN_FLIGHT)

        async def one(message: Message) -> None:
            try:
                await channel.basic_publish(
                    message.body, exchange=exchange, routing_key="contact.submit.bench", properties=message.properties
                )
            finally:
                room.release()

        async with asyncio.TaskGroup() as together:
            for message in messages:
                await room.acquire()
                together.create_task(one(message))


async def open_business(engine: AsyncEngine, size: Size) -> None:
    """Sources and operators of our schema: every operator takes every source, with weights 1 to 5."""
    async with transaction(engine) as conn:
        await _open(conn, size)


async def _open(conn: AsyncConnection, size: Size) -> None:
    now = datetime.now(UTC)
    await conn.execute(
        sa.insert(operators),
        [
            {
                "id": n + 1,
                "name": f"Operator {n}",
                "is_active": True,
                "max_active_contacts": size.limit,
                "created_at": now,
            }
            for n in range(size.operators)
        ],
    )
    kind = {"strategy": "weighted_random", "sticky": False, "created_at": now}
    await conn.execute(
        sa.insert(sources),
        [{"id": n + 1, "code": f"source-{n}", "name": f"Source {n}", **kind} for n in range(size.sources)],
    )
    await conn.execute(
        sa.insert(source_operators),
        [
            {"source_id": source + 1, "operator_id": operator + 1, "weight": operator % 5 + 1}
            for source in range(size.sources)
            for operator in range(size.operators)
        ],
    )
