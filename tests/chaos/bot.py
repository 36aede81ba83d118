"""A bot that remembers what it sent and what the broker confirmed, and closes some of it unheard."""

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
"""So many submissions before its own a closing is sent: a few seconds, also where a worker lags behind."""
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
    """Sends submissions by the clock and whatever is put into its mail, each until the broker confirms it.

    Some closings are sent ahead of their submissions.
    """

    url: str
    prefix: str
    plan: Plan
    abuse: HostileParties
    mail: deque[SentMessage] = field(default_factory=deque)
    sent: set[tuple[str, str]] = field(default_factory=set)
    confirmed: set[tuple[str, str]] = field(default_factory=set)
    expiring: set[tuple[str, str]] = field(default_factory=set)
    """Confirmed messages that the broker may have given up before a worker had them."""
    broken: int = 0
    written: int = 0
    closings: bool = True
    _open: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.plan.seed + 4)

    @property
    def idle(self) -> bool:
        """Whether everything so far is confirmed."""
        return not self.mail and not self._open and self.written == self.plan.submissions

    async def write(self) -> None:
        """Put submissions into the mail at the plan's rate; a tenth goes in twice, the second time a while later."""
        random, begun = Random(self.plan.seed), time.monotonic()
        later: deque[tuple[int, SentMessage]] = deque()
        closed: deque[tuple[int, SentMessage]] = deque()
        for number in range(self.plan.submissions):
            letter = self._submission(random, number)
            if random.random() < CLOSED_AHEAD and letter.key:
                self.close(letter.key)
                closed.append((number + AHEAD, letter))
            else:
                self.mail.append(letter)
            self.written += 1
            if random.random() < TWICE:
                later.append((number + random.randrange(200), letter))
            if random.random() < BROKEN:
                self.broken += 1
                self.mail.append(SentMessage(b'{"broken', _properties(f"broken-{number}")))
            if random.random() < EXPIRES:
                self.mail.append(self._expiring(number))
            while later and later[0][0] <= number:
                self.mail.append(later.popleft()[1])
            while closed and closed[0][0] <= number:
                self.mail.append(closed.popleft()[1])
            if (ahead := number / self.plan.rate - (time.monotonic() - begun)) > 0:
                await asyncio.sleep(ahead)
        self.mail.extend(letter for _, letter in (*later, *closed))

    def close(self, key: tuple[str, str]) -> None:
        """Ask for the end of a contact."""
        body = orjson.dumps({"source": key[0], "message_id": key[1]})
        self.mail.append(SentMessage(body, _properties(f"close-{key[1]}", "contact.close")))

    async def send(self) -> None:
        """Send the mail, for ever."""
        await keep_trying(self._send)

    async def _send(self) -> bool:
        async with channel_at(self.url, confirms=True) as channel:
            open_letters: dict[asyncio.Task[None], SentMessage] = {}
            try:
                while True:
                    await self._fill(channel, open_letters)
                    if open_letters:
                        done, _ = await asyncio.wait(open_letters, return_when=asyncio.FIRST_COMPLETED)
                        for task in done:
                            task.result()
                            self._note(open_letters.pop(task))
                    else:
                        await asyncio.sleep(0.02)
            finally:
                for task in open_letters:
                    task.cancel()
                await asyncio.gather(*open_letters, return_exceptions=True)
                # Sent or not: nobody knows, so each goes again.
                self.mail.extendleft(open_letters.values())
                self._open = 0

    async def _fill(self, channel: AbstractChannel, open_letters: dict[asyncio.Task[None], SentMessage]) -> None:
        while self.mail and len(open_letters) < IN_FLIGHT:
            letter = self.mail.popleft()
            if letter.key:
                self.sent.add(letter.key)
            open_letters[asyncio.create_task(self._publish(channel, letter))] = letter
        self._open = len(open_letters)

    async def _publish(self, channel: AbstractChannel, letter: SentMessage) -> None:
        await channel.basic_publish(
            letter.body,
            exchange=f"{self.prefix}contacts",
            routing_key=ROUTING_KEY,
            properties=letter.properties,
            mandatory=True,
            timeout=CONFIRM_SECONDS,
        )

    def _note(self, letter: SentMessage) -> None:
        if letter.key and letter.expires:
            self.expiring.add(letter.key)
        elif letter.key and letter.key not in self.confirmed:
            self.confirmed.add(letter.key)
            # Before its first event was heard, and perhaps before anybody took it: another worker may have the close.
            if self.closings and self._random.random() < CLOSED_UNHEARD:
                self.close(letter.key)

    def _submission(self, random: Random, number: int) -> SentMessage:
        source, message_id = random.choice(self.plan.sources), f"m-{number}"
        lead = {"external_id": f"lead-{random.randrange(LEADS)}"}
        body = orjson.dumps({"source": source, "lead": lead, "payload": {"number": number}})
        properties = _properties(message_id)
        properties.reply_to = self.abuse.reply_to(random)
        return SentMessage(body, properties, (source, message_id))

    def _expiring(self, number: int) -> SentMessage:
        key = self.plan.sources[0], f"expires-{number}"
        properties = _properties(key[1])
        properties.expiration = EXPIRATION_MILLISECONDS
        body = orjson.dumps({"source": key[0], "lead": {"external_id": key[1]}})
        return SentMessage(body, properties, key, expires=True)


def _properties(message_id: str, kind: str = "contact.submit") -> Basic.Properties:
    return Basic.Properties(message_id=message_id, message_type=kind, content_type="application/json", delivery_mode=2)
