"""Checks that messages are really consumed: an open socket proves little."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aio_pika.abc import AbstractQueue

from worker.broker.connection import Connection
from worker.broker.connection_errors import ConnectionLost

EVERY_SECONDS = 5
ANSWER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Pulse:
    """The state of consuming: number of our current consumer (0: none), messages delivered, messages unsettled."""

    consumer: int
    delivered: int
    unsettled: int


async def watch_over(
    connection: Connection,
    queue: str,
    pulse: Callable[[], Pulse],
    every_seconds: float = EVERY_SECONDS,
    answer_seconds: float = ANSWER_SECONDS,
) -> None:
    """Query the queue periodically; raise ConnectionLost if messages are ready and we get none."""
    channel = await connection.channel(publisher_confirms=False)
    suspicion: tuple[str, Pulse] | None = None
    while True:
        await asyncio.sleep(every_seconds)  # what must be noticed is that nothing happens
        before = pulse()
        problem = _problem(await _answer(channel.get_queue(queue), pulse, answer_seconds), before)
        current = (problem, before) if problem and pulse() == before else None
        if problem and current == suspicion:
            raise ConnectionLost(problem)
        suspicion = current


async def _answer(request: Awaitable[AbstractQueue], pulse: Callable[[], Pulse], seconds: float) -> AbstractQueue:
    """The broker's response, which follows the deliveries on their way: wait as long as those arrive."""
    answer = asyncio.ensure_future(request)
    try:
        while not answer.done():
            before = pulse()
            await asyncio.wait({answer}, timeout=seconds)
            if not answer.done() and pulse() == before:
                raise ConnectionLost(f"the broker did not answer within {seconds:g} s")
        return answer.result()
    finally:
        answer.cancel()


def _problem(queue: AbstractQueue, pulse: Pulse) -> str:
    counted = queue.declaration_result
    if pulse.consumer and not counted.consumer_count:
        return "the broker does not know our consumer"
    if pulse.consumer and counted.message_count and not pulse.unsettled:
        return "messages are ready and the broker delivers none"
    return ""
