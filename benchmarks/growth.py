"""The same work after growth: many contacts, operators, sources, waiting contacts, a backlog on the broker."""

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
from benchmarks.workload import Size, make_messages
from distribution.store.engine import create_engine
from distribution.store.transactions import reading

BACKLOG_PART = 2_000
BACKLOG_IN_FLIGHT = 20_000
READS = 40
SAMPLE_SECONDS = 0.1
LATENCY_SECONDS = 10
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of growth: the sizes and the contacts of the past."""

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
CANDIDATES = (OURS_SQLITE, OURS_POSTGRESQL)


@dataclass
class GrowthResult:
    """What was measured of one case on one database. `reads`: median milliseconds of each list of the API."""

    case: str
    candidate: str
    runs: list[Run] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    reads: dict[str, float] = field(default_factory=dict)
    bytes_per_contact: float = 0.0


async def grow(environment: Environment, rounds: int, rate: float, messages: int, say: Say) -> list[GrowthResult]:
    """Every case on both databases, interleaved; each database is created once and copied for each run."""
    templates = {}
    results = {}
    for candidate in CANDIDATES:
        for case in (replace(case, size=replace(case.size, messages=messages)) for case in CASES):
            url = templates[case, candidate] = await environment.database(candidate, case.size)
            empty = await _bytes(url)
            await past_contacts.write(url, case.history, case.size)
            result = results[case, candidate] = GrowthResult(case.name, candidate.name)
            if case.history.contacts:
                result.bytes_per_contact = (await _bytes(url) - empty) / (case.history.contacts + case.history.waiting)
            say(f"made: {case.name}, {candidate.name}")
    for round_ in range(1, rounds + 1):
        for (case, candidate), result in results.items():
            await _measure_case(environment, case, candidate, templates[case, candidate], result, round_, rate)
            last = result.runs[-1]
            say(f"round {round_}: {case.name:20} {candidate.name:20} {last.per_second:8.0f}/s")
    for url in templates.values():
        await asyncio.to_thread(environment.forget, url)
    return list(results.values())


async def _measure_case(
    environment: Environment,
    case: Case,
    candidate: Candidate,
    template: str,
    result: GrowthResult,
    round_: int,
    rate: float,
) -> None:
    contacts_before = case.history.contacts + case.history.waiting
    async with environment.run(candidate, case.size, template) as run:
        result.runs.append(await measure(run, list(make_messages(case.size, round_)), round_, contacts_before))
        if round_ == 1:
            result.reads = await _list_latencies(run)
    if round_ == 1:
        async with latency.warm_clients(environment, candidate, case.size, template) as clients:
            few = replace(case.size, messages=int(rate * LATENCY_SECONDS))
            result.latencies.append(await latency.measure(clients, rate, few, seed=50))


async def _list_latencies(run: BenchmarkRun) -> dict[str, float]:
    """Median milliseconds of each list of the API."""
    medians = {}
    async with running_admin_api(run) as http:
        for path in LISTS:
            waits = []
            for _ in range(READS):
                begun = time.perf_counter()
                (await http.get(path)).raise_for_status()
                waits.append((time.perf_counter() - begun) * 1000)
            medians[path] = statistics.median(waits)
    return medians


async def _bytes(url: str) -> int:
    if url.startswith("sqlite"):
        return (await asyncio.to_thread(Path(str(sa.make_url(url).database)).stat)).st_size
    engine = create_engine(url)
    async with reading(engine) as conn:
        number = await conn.scalar(sa.text("SELECT pg_database_size(current_database())"))
    await engine.dispose()
    return int(number or 0)


async def memory_under_backlog(environment: Environment, backlog: int, say: Say) -> dict[str, float]:
    """The worker's peak memory in MiB while it processes the start of a long backlog, by candidate."""
    peaks = {}
    for candidate in CANDIDATES:
        async with environment.run(candidate, Size()) as run:
            await _publish_backlog(environment, run, backlog)
            say(f"{backlog} messages are on the broker")
            await run.start()
            most, event_count = 0, 0
            async with asyncio.timeout(PATIENCE_SECONDS):
                while event_count < min(backlog, 40_000):
                    event_count = await run.event_count()
                    most = max(most, run.usage()[1])
                    await asyncio.sleep(SAMPLE_SECONDS)
            peaks[candidate.name] = most / 2**20
            say(f"{candidate.name}: {peaks[candidate.name]:.0f} MiB")
            await run.stop()
    return peaks


async def _publish_backlog(environment: Environment, run: BenchmarkRun, number: int) -> None:
    async with aiormq.connect(environment.broker.url) as connection:
        clients = Clients(run)
        await clients.open(connection)
        rest = make_messages(Size(messages=number), seed=3)
        while part := list(islice(rest, BACKLOG_PART)):
            await clients.send(part)
            await until(lambda: clients.sent - clients.confirmed <= BACKLOG_IN_FLIGHT)
        await until(lambda: clients.confirmed >= number)
