"""Proves that messages are consumed: an open socket says little."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiormq.abc import AbstractConnection
from pamqp import commands as spec

from worker.broker.supervisor import ConnectionLost

EVERY_SECONDS = 5
ANSWER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Pulse:
    """How consuming goes: which consumer we have on the queue (0: none), messages that came, messages unsettled."""

    consumer: int
    delivered: int
    unsettled: int


async def watch_over(connection: AbstractConnection, queue: str, pulse: Callable[[], Pulse]) -> None:
    """Ask the broker about the queue again and again; raise ConnectionLost where we get nothing of what is there."""
    channel = await connection.channel(publisher_confirms=False)
    suspicion: tuple[str, Pulse] | None = None
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        before = pulse()
        what = _wrong(await _answered(channel.queue_declare(queue, passive=True), pulse), before)
        now = (what, before) if what and pulse() == before else None
        if what and now == suspicion:
            raise ConnectionLost(what)
        suspicion = now


async def _answered(asking: Awaitable[spec.Queue.DeclareOk], pulse: Callable[[], Pulse]) -> spec.Queue.DeclareOk:
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


def _wrong(queue: spec.Queue.DeclareOk, pulse: Pulse) -> str:
    if pulse.consumer and not queue.consumer_count:
        return "the broker does not know our consumer"
    if pulse.consumer and queue.message_count and not pulse.unsettled:
        return "messages are ready and the broker delivers none"
    return ""
