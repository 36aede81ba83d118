"""A bot that records what it sent and what the broker confirmed, and closes some contacts before their events."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from random import Random

import orjson
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from tests.chaos.hostile_parties import EXPIRATION_MILLISECONDS, EXPIRES, HostileParties
from tests.chaos.plan import Plan
from tests.chaos.reconnecting_channel import channel_at, keep_trying

IN_FLIGHT = 200
CONFIRM_SECONDS = 30
TWICE, BROKEN, CLOSED_UNHEARD, CLOSED_AHEAD, LEADS = 0.1, 0.01, 0.05, 0.05, 5_000
AHEAD = 600
"""How many submissions before its own a closing is sent: a few seconds, even if a worker lags behind."""
ROUTING_KEY = "contact.submit.chaos"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message to send. `key` is (source, message_id); broken ones and closings have none of their own."""

    body: bytes
    properties: Basic.Properties
    key: tuple[str, str] | None = None
    expires: bool = False


@dataclass
class Bot:
    """Sends submissions at a fixed rate, and all other messages in `queue`, each until the broker confirms it.

    Some closings are sent before their submissions.
    """

    url: str
    prefix: str
    plan: Plan
    hostile_parties: HostileParties
    queue: deque[SentMessage] = field(default_factory=deque)
    sent: set[tuple[str, str]] = field(default_factory=set)
    confirmed: set[tuple[str, str]] = field(default_factory=set)
    expiring: set[tuple[str, str]] = field(default_factory=set)
    """Confirmed messages that the broker may have expired before a worker received them."""
    broken: int = 0
    written: int = 0
    closings: bool = True
    _in_flight: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.plan.seed + 4)

    @property
    def idle(self) -> bool:
        """Whether everything so far is confirmed."""
        return not self.queue and not self._in_flight and self.written == self.plan.submissions

    async def write(self) -> None:
        """Queue submissions at the plan's rate; a tenth of them twice, the second time a while later."""
        random, begun = Random(self.plan.seed), time.monotonic()
        later: deque[tuple[int, SentMessage]] = deque()
        closed: deque[tuple[int, SentMessage]] = deque()
        for number in range(self.plan.submissions):
            message = self._submission(random, number)
            if random.random() < CLOSED_AHEAD and message.key:
                self.close(message.key)
                closed.append((number + AHEAD, message))
            else:
                self.queue.append(message)
            self.written += 1
            if random.random() < TWICE:
                later.append((number + random.randrange(200), message))
            if random.random() < BROKEN:
                self.broken += 1
                self.queue.append(SentMessage(b'{"broken', _properties(f"broken-{number}")))
            if random.random() < EXPIRES:
                self.queue.append(self._expiring(number))
            while later and later[0][0] <= number:
                self.queue.append(later.popleft()[1])
            while closed and closed[0][0] <= number:
                self.queue.append(closed.popleft()[1])
            if (ahead := number / self.plan.rate - (time.monotonic() - begun)) > 0:
                await asyncio.sleep(ahead)  # the plan's rate
        self.queue.extend(message for _, message in (*later, *closed))

    def close(self, key: tuple[str, str]) -> None:
        """Queue a message that closes a contact."""
        body = orjson.dumps({"source": key[0], "message_id": key[1]})
        self.queue.append(SentMessage(body, _properties(f"close-{key[1]}", "contact.close")))

    async def send(self) -> None:
        """Send the queued messages, for ever."""
        await keep_trying(self._send)

    async def _send(self) -> bool:
        async with channel_at(self.url, confirms=True) as channel:
            in_flight: dict[asyncio.Task[None], SentMessage] = {}
            try:
                while True:
                    await self._start_publishing(channel, in_flight)
                    if in_flight:
                        finished, _ = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                        for task in finished:
                            task.result()
                            self._record_confirmed(in_flight.pop(task))
                    else:
                        await asyncio.sleep(0.02)  # `write` and `close` fill the queue at the plan's rate
            finally:
                for task in in_flight:
                    task.cancel()
                await asyncio.gather(*in_flight, return_exceptions=True)
                # It is unknown whether they were sent, so each is sent again.
                self.queue.extendleft(in_flight.values())
                self._in_flight = 0

    async def _start_publishing(
        self, channel: AbstractChannel, in_flight: dict[asyncio.Task[None], SentMessage]
    ) -> None:
        while self.queue and len(in_flight) < IN_FLIGHT:
            message = self.queue.popleft()
            if message.key:
                self.sent.add(message.key)
            in_flight[asyncio.create_task(self._publish(channel, message))] = message
        self._in_flight = len(in_flight)

    async def _publish(self, channel: AbstractChannel, message: SentMessage) -> None:
        await channel.basic_publish(
            message.body,
            exchange=f"{self.prefix}contacts",
            routing_key=ROUTING_KEY,
            properties=message.properties,
            mandatory=True,
            timeout=CONFIRM_SECONDS,
        )

    def _record_confirmed(self, message: SentMessage) -> None:
        if message.key and message.expires:
            self.expiring.add(message.key)
        elif message.key and message.key not in self.confirmed:
            self.confirmed.add(message.key)
            # Before its first event was heard, perhaps before a worker received it: another worker may get the closing.
            if self.closings and self._random.random() < CLOSED_UNHEARD:
                self.close(message.key)

    def _submission(self, random: Random, number: int) -> SentMessage:
        source, message_id = random.choice(self.plan.sources), f"m-{number}"
        lead = {"external_id": f"lead-{random.randrange(LEADS)}"}
        body = orjson.dumps({"source": source, "lead": lead, "payload": {"number": number}})
        properties = _properties(message_id)
        properties.reply_to = self.hostile_parties.reply_to(random)
        return SentMessage(body, properties, (source, message_id))

    def _expiring(self, number: int) -> SentMessage:
        key = self.plan.sources[0], f"expires-{number}"
        properties = _properties(key[1])
        properties.expiration = EXPIRATION_MILLISECONDS
        body = orjson.dumps({"source": key[0], "lead": {"external_id": key[1]}})
        return SentMessage(body, properties, key, expires=True)


def _properties(message_id: str, kind: str = "contact.submit") -> Basic.Properties:
    return Basic.Properties(message_id=message_id, message_type=kind, content_type="application/json", delivery_mode=2)
