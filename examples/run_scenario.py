"""Runs the demo's scenario over AMQP and HTTP, and returns everything that was seen."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console

from examples.admin import Admin, connect_admin
from examples.api_types import Contact, Lead, Operator, Parked, Weight
from examples.bot import PARKED, Outcome, connect_bot
from examples.event_printer import Feed
from examples.scenario import Scenario
from examples.subscriber import Event, subscribe

_SECONDS = 40.0
_PAUSE = 0.05


@dataclass(frozen=True)
class Access:
    """Addresses of the services, and a token."""

    amqp_url: str
    prefix: str
    api_url: str
    token: str


@dataclass
class Heard:
    """What arrived over AMQP, of this run only."""

    sources: frozenset[str]
    feed: Feed
    events: list[Event] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    last_event: float = 0.0

    def event(self, event: Event) -> None:
        """One event of `assignments`; other runs may use the same database."""
        if event.source in self.sources:
            self.last_event = time.perf_counter()
            self.events.append(event)
            self.feed.show(event)

    def outcome(self, outcome: Outcome) -> None:
        """The outcome of a message that asked for it."""
        self.outcomes.append(outcome)


@dataclass(frozen=True)
class Read:
    """What the API returns at the end."""

    contacts: list[Contact]
    leads: list[Lead]
    parked: list[Parked]
    operators: list[Operator]
    weights: dict[str, list[Weight]]


@dataclass(frozen=True)
class Seen:
    """Everything that was seen from outside."""

    published: int
    seconds: float
    events: list[Event]
    outcomes: list[Outcome]
    read: Read

    @property
    def recognised(self) -> int:
        """The number of repeated messages whose reply was the first event of the same contact."""
        first = {event.message_id: event.id for event in self.events}
        return sum(first.get(outcome.message_id) == outcome.id for outcome in self.outcomes if outcome.type != PARKED)


@dataclass(frozen=True)
class Created:
    """Ids of what the admin created: operators in order, sources by code."""

    operators: list[int]
    sources: dict[str, int]


async def run_scenario(access: Access, scenario: Scenario, console: Console, check: Callable[[], None]) -> Seen:
    """The whole scenario. `check` raises if a service has ended."""
    async with connect_admin(access.api_url, access.token) as admin:
        created = await _set_up(admin, scenario)
        console.print(
            f"admin: {len(created.operators)} operators, {len(created.sources)} sources and their weights made"
        )
        console.print(f"bot: publishing {len(scenario.messages())} messages; subscriber: what is heard of them")
        with Feed(console, len(scenario.contacts)) as feed:
            heard = Heard(frozenset(created.sources), feed)
            published, seconds = await _publish(access, scenario, heard, check)
        console.print("admin: reading contacts, leads and parked messages")
        return Seen(published, seconds, heard.events, heard.outcomes, await _read(admin, scenario, created))


async def _set_up(admin: Admin, scenario: Scenario) -> Created:
    ids = {plan.name: (await admin.create_operator(plan.name, plan.limit))["id"] for plan in scenario.operators}
    sources = {plan.code: (await admin.create_source(plan.code, plan.name))["id"] for plan in scenario.sources}
    for plan in scenario.sources:
        await admin.set_weights(sources[plan.code], {ids[name]: weight for name, weight in plan.weights.items()})
    return Created(list(ids.values()), sources)


async def _publish(access: Access, scenario: Scenario, heard: Heard, check: Callable[[], None]) -> tuple[int, float]:
    messages = scenario.messages()
    async with (
        subscribe(access.amqp_url, heard.event, access.prefix),
        connect_bot(access.amqp_url, access.prefix, heard.outcome) as bot,
    ):
        started = time.perf_counter()
        published = await bot.publish(messages)
        await _until_all_heard(heard, len(scenario.contacts), sum(message.asks_outcome for message in messages), check)
    return published, max(0.0, heard.last_event - started)


async def _until_all_heard(heard: Heard, events: int, outcomes: int, check: Callable[[], None]) -> None:
    """Wait until everything has arrived or the time is up; the totals then show what is missing."""
    deadline = time.monotonic() + _SECONDS
    while (len(heard.events) < events or len(heard.outcomes) < outcomes) and time.monotonic() < deadline:
        check()
        await asyncio.sleep(_PAUSE)


async def _read(admin: Admin, scenario: Scenario, created: Created) -> Read:
    contacts = [contact for code in created.sources for contact in await admin.contacts(source=code)]
    leads = [lead for external_id in scenario.leads() for lead in await admin.leads(external_id=external_id)]
    parked = [row for row in await admin.parked() if (row["message_id"] or "").startswith(f"{scenario.run}-")]
    operators = [await admin.operator(operator_id) for operator_id in created.operators]
    weights = {code: await admin.weights(source_id) for code, source_id in created.sources.items()}
    return Read(contacts, leads, parked, operators, weights)
