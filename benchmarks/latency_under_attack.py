"""Honest contacts beside each attack: their latency, the worker's memory, the longest silence of its health page."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiormq
import httpx2

from benchmarks.attacks import Attack, Attacks, target
from benchmarks.environment import BenchmarkRun, Candidate, Environment
from benchmarks.latency import Clients
from benchmarks.wait_until import TICK_SECONDS, until
from benchmarks.workload import Size, letters

RATE = 50.0
LOOK_SECONDS = 0.1
ANSWER_SECONDS = 120
GRACE_SECONDS = 60
WARM_UP = 200
KIB, MIB = 2**10, 2**20


@dataclass(frozen=True, slots=True)
class Beside:
    """One attack. Milliseconds of honest contacts; the worker's peak memory; seconds without its health page.

    `unheard`: honest contacts without an event GRACE_SECONDS after the last was sent; they count as late as that.
    """

    contestant: str
    attack: str
    messages: int
    unheard: int
    p50: float
    p99: float
    longest: float
    peak_mib: float
    silence_seconds: float


@dataclass
class Health:
    """Asks for the health page again and again."""

    address: str
    longest: float = 0.0
    asked: int = field(default=0)

    async def watch(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        async with httpx2.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as http:
            while True:
                begun = loop.time()
                (await http.get(self.address)).raise_for_status()
                self.longest = max(self.longest, loop.time() - begun)
                self.asked += 1
                await asyncio.sleep(LOOK_SECONDS)


async def measure_attacks(
    arena: Environment, contestant: Candidate, attacks: Attacks, say: Callable[[str], None]
) -> list[Beside]:
    """Each attack on a worker of its own, so that its peak is its own."""
    found = []
    for attack in attacks.attacks:
        if attack.only_postgresql and contestant.backend != "postgresql":
            continue
        found.append(await beside(arena, contestant, attack, attacks.seconds))
        last = found[-1]
        say(
            f"{contestant.name}, {attack.name}: p50 {last.p50:.0f} p99 {last.p99:.0f} longest {last.longest:.0f} ms,"
            f" unheard {last.unheard}, peak {last.peak_mib:.0f} MiB,"
            f" /healthz silent for {last.silence_seconds:.2f} s at most"
        )
    return found


async def beside(arena: Environment, contestant: Candidate, attack: Attack, seconds: float) -> Beside:
    """One attack of so many seconds."""
    size = Size(messages=int(RATE * seconds))
    async with _at_work(arena, contestant) as clients, target(clients.ground) as attacked:
        health = Health(f"{clients.ground.processes[0].url}/healthz")
        watching = asyncio.create_task(health.watch())
        attacking = asyncio.ensure_future(attack.work(attacked))
        try:
            waits, unheard = await _measure(clients, size)
            _raise_if_failed(watching, attacking)
        finally:
            for task in (attacking, watching):
                task.cancel()
            await asyncio.gather(attacking, watching, return_exceptions=True)
        peak = _peak_bytes(clients.ground.processes[0].process.pid) / MIB
    cuts = statistics.quantiles(waits, n=100)
    silence = health.longest
    return Beside(contestant.name, attack.name, len(waits), unheard, cuts[49], cuts[98], max(waits), peak, silence)


@asynccontextmanager
async def _at_work(arena: Environment, contestant: Candidate) -> AsyncIterator[Clients]:
    """A warm worker whose honest events alone come to the subscriber."""
    size = Size()
    async with arena.ground(contestant, size) as ground, aiormq.connect(arena.broker.url) as connection:
        await _only_honest(ground, size)
        clients = Clients(ground)
        await clients.open(connection)
        await ground.start()
        await clients.send(list(letters(Size(WARM_UP), seed=99)))
        await clients.until_heard(WARM_UP)
        yield clients
        await ground.stop()


async def _only_honest(ground: BenchmarkRun, size: Size) -> None:
    await ground.channel.queue_unbind(ground.events, ground.topology.assignments, routing_key="#")
    for number in range(size.sources):
        key = f"contact.*.source-{number}.#"
        await ground.channel.queue_bind(ground.events, ground.topology.assignments, routing_key=key)


async def _measure(clients: Clients, size: Size) -> tuple[list[float], int]:
    """Milliseconds from the moment at which each was due, and how many were never heard of."""
    loop = asyncio.get_running_loop()
    all_letters = list(letters(size, seed=11))
    begun, sent = loop.time(), 0
    while sent < len(all_letters):
        due = min(len(all_letters), int((loop.time() - begun) * RATE) + 1)
        if due > sent:
            await clients.send(all_letters[sent:due])
            sent = due
        await asyncio.sleep(TICK_SECONDS)
    ids = [letter.message_id for letter in all_letters]
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            await until(lambda: clients.heard.keys() >= set(ids))
    now = loop.time()
    waits = [(clients.heard.get(key, now) - (begun + number / RATE)) * 1000 for number, key in enumerate(ids)]
    return waits, sum(key not in clients.heard for key in ids)


def _raise_if_failed(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error


def _peak_bytes(pid: int) -> int:
    """The most that the process ever had resident, as Linux keeps it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * KIB
