"""The same work with much behind it: contacts, operators, sources, waiting contacts, a backlog on the broker."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import aiormq
import sqlalchemy as sa

from benchmarks import latency, past_contacts
from benchmarks.admin_api_process import LISTS, running_admin_api
from benchmarks.environment import BenchmarkRun, Candidate, Environment
from benchmarks.latency import Clients, Latency
from benchmarks.past_contacts import History
from benchmarks.throughput import OURS_POSTGRESQL, OURS_SQLITE, Run, measure
from benchmarks.wait_until import PATIENCE_SECONDS, until
from benchmarks.workload import Size, letters
from distribution.store.engine import create_engine, reading

BACKLOG_PART = 2_000
BACKLOG_IN_FLIGHT = 20_000
READS = 40
SAMPLE_SECONDS = 0.1
LATENCY_SECONDS = 10
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """Something that grew."""

    name: str
    size: Size = field(default_factory=Size)
    history: History = field(default_factory=History)


PLAIN = Case("nothing there")
OF_CONTACTS = (
    PLAIN,
    Case("100,000 contacts", history=History(100_000, 10_000)),
    Case("1,000,000 contacts", history=History(1_000_000, 10_000)),
)
OF_OPERATORS = (
    Case("10 operators", Size(operators=10)),
    Case("100 operators", Size(operators=100)),
    Case("1,000 operators", Size(operators=1_000)),
)
OF_SOURCES = (Case("10 sources", Size(sources=10)), Case("1,000 sources", Size(sources=1_000)))
OF_WAITING = (Case("100,000 waiting", history=History(10_000, 10_000, 100_000)),)
CASES = (*OF_CONTACTS, *OF_OPERATORS, *OF_SOURCES, *OF_WAITING)
CONTESTANTS = (OURS_SQLITE, OURS_POSTGRESQL)


@dataclass
class Grown:
    """What was measured of one case on one database. `reads`: median milliseconds of each list of the API."""

    case: str
    contestant: str
    runs: list[Run] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    reads: dict[str, float] = field(default_factory=dict)
    bytes_per_contact: float = 0.0


async def grow(arena: Environment, rounds: int, rate: float, messages: int, say: Say) -> list[Grown]:
    """Every case on both databases, interleaved; each database is made once and copied for each run."""
    templates = {}
    found = {}
    for contestant in CONTESTANTS:
        for case in (replace(each, size=replace(each.size, messages=messages)) for each in CASES):
            url = templates[case, contestant] = await arena.database(contestant, case.size)
            empty = await _bytes(url)
            await past_contacts.write(url, case.history, case.size)
            grown = found[case, contestant] = Grown(case.name, contestant.name)
            if case.history.contacts:
                grown.bytes_per_contact = (await _bytes(url) - empty) / (case.history.contacts + case.history.waiting)
            say(f"made: {case.name}, {contestant.name}")
    for round_ in range(1, rounds + 1):
        for (case, contestant), grown in found.items():
            await _one(arena, case, contestant, templates[case, contestant], grown, round_, rate)
            last = grown.runs[-1]
            say(f"round {round_}: {case.name:20} {contestant.name:20} {last.per_second:8.0f}/s")
    for url in templates.values():
        await asyncio.to_thread(arena.forget, url)
    return list(found.values())


async def _one(
    arena: Environment, case: Case, contestant: Candidate, template: str, grown: Grown, round_: int, rate: float
) -> None:
    there = case.history.contacts + case.history.waiting
    async with arena.ground(contestant, case.size, template) as ground:
        grown.runs.append(await measure(ground, list(letters(case.size, round_)), round_, there))
        if round_ == 1:
            grown.reads = await _reads(ground)
    if round_ == 1:
        async with latency.at_work(arena, contestant, case.size, template) as clients:
            few = replace(case.size, messages=int(rate * LATENCY_SECONDS))
            grown.latencies.append(await latency.measure(clients, rate, few, seed=50))


async def _reads(ground: BenchmarkRun) -> dict[str, float]:
    """Median milliseconds of each list of the API."""
    found = {}
    async with running_admin_api(ground) as http:
        for path in LISTS:
            waits = []
            for _ in range(READS):
                begun = time.perf_counter()
                (await http.get(path)).raise_for_status()
                waits.append((time.perf_counter() - begun) * 1000)
            found[path] = statistics.median(waits)
    return found


async def _bytes(url: str) -> int:
    if url.startswith("sqlite"):
        return (await asyncio.to_thread(Path(str(sa.make_url(url).database)).stat)).st_size
    engine = create_engine(url)
    async with reading(engine) as conn:
        number = await conn.scalar(sa.text("SELECT pg_database_size(current_database())"))
    await engine.dispose()
    return int(number or 0)


async def memory_under_backlog(arena: Environment, backlog: int, say: Say) -> dict[str, float]:
    """MiB of the worker while it takes the first of a long backlog, by database."""
    found = {}
    for contestant in CONTESTANTS:
        async with arena.ground(contestant, Size()) as ground:
            await _pile_up(arena, ground, backlog)
            say(f"{backlog} messages are on the broker")
            await ground.start()
            most, told = 0, 0
            async with asyncio.timeout(PATIENCE_SECONDS):
                while told < min(backlog, 40_000):
                    told = await ground.told()
                    most = max(most, ground.usage()[1])
                    await asyncio.sleep(SAMPLE_SECONDS)
            found[contestant.name] = most / 2**20
            say(f"{contestant.name}: {found[contestant.name]:.0f} MiB")
            await ground.stop()
    return found


async def _pile_up(arena: Environment, ground: BenchmarkRun, number: int) -> None:
    async with aiormq.connect(arena.broker.url) as connection:
        clients = Clients(ground)
        await clients.open(connection)
        rest = letters(Size(messages=number), seed=3)
        while part := list(islice(rest, BACKLOG_PART)):
            await clients.send(part)
            await until(lambda: clients.sent - clients.confirmed <= BACKLOG_IN_FLIGHT)
        await until(lambda: clients.confirmed >= number)
