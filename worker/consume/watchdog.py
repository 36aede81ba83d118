"""Proves that messages are consumed: an open socket says little."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aio_pika.abc import AbstractQueue

from worker.broker.connection import Connection
from worker.broker.errors import ConnectionLost

EVERY_SECONDS = 5
ANSWER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Pulse:
    """How consuming goes: which consumer we have on the queue (0: none), messages that came, messages unsettled."""

    consumer: int
    delivered: int
    unsettled: int


async def watch_over(connection: Connection, queue: str, pulse: Callable[[], Pulse]) -> None:
    """Ask the broker about the queue again and again; raise ConnectionLost where we get nothing of what is there."""
    channel = await connection.channel(publisher_confirms=False)
    suspicion: tuple[str, Pulse] | None = None
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        before = pulse()
        what = _wrong(await _answered(channel.get_queue(queue), pulse), before)
        now = (what, before) if what and pulse() == before else None
        if what and now == suspicion:
            raise ConnectionLost(what)
        suspicion = now


async def _answered(asking: Awaitable[AbstractQueue], pulse: Callable[[], Pulse]) -> AbstractQueue:
    """The broker's answer, which stands behind the deliveries on their way: as long as those are taken, it may come."""
    answer = asyncio.ensure_future(asking)
    try:
        while not answer.done():
            before = pulse()
            await asyncio.wait({answer}, timeout=ANSWER_SECONDS)
            if not answer.done() and pulse() == before:
                raise ConnectionLost(f"the broker did not answer within {ANSWER_SECONDS} s")
        return answer.result()
    finally:
        answer.cancel()


def _wrong(queue: AbstractQueue, pulse: Pulse) -> str:
    counted = queue.declaration_result
    if pulse.consumer and not counted.consumer_count:
        return "the broker does not know our consumer"
    if pulse.consumer and counted.message_count and not pulse.unsettled:
        return "messages are ready and the broker delivers none"
    return ""
