"""Contacts per second: the queue is filled before the candidate starts, and the clock runs from its first event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.environment import BenchmarkRun, Candidate, Environment
from benchmarks.verification import check
from benchmarks.workload import Message, Size, make_messages

CEILING = Candidate("ceiling (aio-pika)", "benchmarks.candidates.ceiling")
CEILING_AIORMQ = Candidate("ceiling (aiormq)", "benchmarks.candidates.ceiling_aiormq")
OURS_SQLITE = Candidate("ours, SQLite", "worker", "sqlite")
OURS_POSTGRESQL = Candidate("ours, PostgreSQL", "worker", "postgresql")
OURS_2 = Candidate("ours, PostgreSQL, 2 workers", "worker", "postgresql", 2)
OURS_4 = Candidate("ours, PostgreSQL, 4 workers", "worker", "postgresql", 4)
NAIVE, FASTSTREAM = "benchmarks.candidates.naive_worker", "benchmarks.candidates.faststream_worker"
NAIVE_SQLITE = Candidate("naive, SQLite", NAIVE, "sqlite", naive=True)
NAIVE_POSTGRESQL = Candidate("naive, PostgreSQL", NAIVE, "postgresql", naive=True)
FASTSTREAM_POSTGRESQL = Candidate("FastStream, PostgreSQL", FASTSTREAM, "postgresql", naive=True)

CANDIDATES = (
    CEILING,
    CEILING_AIORMQ,
    OURS_SQLITE,
    OURS_POSTGRESQL,
    OURS_2,
    OURS_4,
    NAIVE_SQLITE,
    NAIVE_POSTGRESQL,
    FASTSTREAM_POSTGRESQL,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement. `cpu`: microseconds of the candidate's processes per message; `memory`: bytes at the end."""

    candidate: str
    round: int
    messages: int
    per_second: float
    cpu: float
    memory: int


async def interleaved(
    environment: Environment,
    candidates: Sequence[Candidate],
    size: Size,
    rounds: int,
    say: Callable[[str], None],
) -> list[Run]:
    """Every candidate in turn, as often as there are rounds; the naive ones once, since they take minutes."""
    runs = []
    for round_ in range(1, rounds + 1):
        for candidate in candidates:
            if candidate.naive and round_ > 1:
                continue
            async with environment.run(candidate, size) as run:
                runs.append(await measure(run, list(make_messages(size, round_)), round_))
            say(f"round {round_}: {candidate.name:30} {runs[-1].per_second:8.0f}/s {runs[-1].cpu:6.0f} µs of CPU")
    return runs


async def measure(run: BenchmarkRun, sent: list[Message], round_: int = 1, contacts_before: int = 0) -> Run:
    """Fill the queue, start the candidate, wait for the last event, stop it, verify its work."""
    await run.fill(sent)
    before = await run.event_count()
    await run.start()
    first, begun = await run.until_event_count(lambda count: count > before)
    busy, _ = run.usage()
    last, ended = await run.until_event_count(lambda count: count >= before + len(sent))
    used, memory = run.usage()
    await run.stop()
    await check(run, sent, contacts_before)
    number = last - first
    return Run(run.candidate.name, round_, len(sent), number / (ended - begun), (used - busy) / number * 1e6, memory)
