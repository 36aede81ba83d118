"""Honest contacts during each attack: their latency, the worker's memory, the longest silence of its health page."""

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
from benchmarks.workload import Size, make_messages

RATE = 50.0
LOOK_SECONDS = 0.1
ANSWER_SECONDS = 120
GRACE_SECONDS = 60
WARM_UP = 200
KIB, MIB = 2**10, 2**20


@dataclass(frozen=True, slots=True)
class AttackResult:
    """One attack: honest contacts' latency in ms, the worker's peak memory, the health page's longest response in s.

    `unheard`: honest contacts without an event GRACE_SECONDS after the last was sent; they count as late as that.
    """

    candidate: str
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
        """Ask for ever."""
        loop = asyncio.get_running_loop()
        async with httpx2.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as http:
            while True:
                begun = loop.time()
                (await http.get(self.address)).raise_for_status()
                self.longest = max(self.longest, loop.time() - begun)
                self.asked += 1
                await asyncio.sleep(LOOK_SECONDS)


async def measure_attacks(
    environment: Environment, candidate: Candidate, attacks: Attacks, say: Callable[[str], None]
) -> list[AttackResult]:
    """Each attack on a worker of its own, so that peak memory is due to that attack alone."""
    results = []
    for attack in attacks.attacks:
        if attack.only_postgresql and candidate.backend != "postgresql":
            continue
        results.append(await measure_attack(environment, candidate, attack, attacks.seconds))
        last = results[-1]
        say(
            f"{candidate.name}, {attack.name}: p50 {last.p50:.0f} p99 {last.p99:.0f} longest {last.longest:.0f} ms,"
            f" unheard {last.unheard}, peak {last.peak_mib:.0f} MiB,"
            f" /healthz silent for {last.silence_seconds:.2f} s at most"
        )
    return results


async def measure_attack(
    environment: Environment, candidate: Candidate, attack: Attack, seconds: float
) -> AttackResult:
    """Measure one attack of `seconds`."""
    size = Size(messages=int(RATE * seconds))
    async with _warm_clients(environment, candidate) as clients, target(clients.run) as attacked:
        health = Health(f"{clients.run.processes[0].url}/healthz")
        watching = asyncio.create_task(health.watch())
        attacking = asyncio.ensure_future(attack.work(attacked))
        try:
            waits, unheard = await _measure(clients, size)
            _raise_if_failed(watching, attacking)
        finally:
            for task in (attacking, watching):
                task.cancel()
            await asyncio.gather(attacking, watching, return_exceptions=True)
        peak = _peak_bytes(clients.run.processes[0].process.pid) / MIB
    cuts = statistics.quantiles(waits, n=100)
    silence = health.longest
    return AttackResult(candidate.name, attack.name, len(waits), unheard, cuts[49], cuts[98], max(waits), peak, silence)


@asynccontextmanager
async def _warm_clients(environment: Environment, candidate: Candidate) -> AsyncIterator[Clients]:
    """The clients of a warm worker; the subscriber gets only honest contacts' events."""
    size = Size()
    async with environment.run(candidate, size) as run, aiormq.connect(environment.broker.url) as connection:
        await _bind_honest_only(run, size)
        clients = Clients(run)
        await clients.open(connection)
        await run.start()
        await clients.send(list(make_messages(Size(WARM_UP), seed=99)))
        await clients.until_heard(WARM_UP)
        yield clients
        await run.stop()


async def _bind_honest_only(run: BenchmarkRun, size: Size) -> None:
    await run.channel.queue_unbind(run.events, run.topology.assignments, routing_key="#")
    for number in range(size.sources):
        key = f"contact.*.source-{number}.#"
        await run.channel.queue_bind(run.events, run.topology.assignments, routing_key=key)


async def _measure(clients: Clients, size: Size) -> tuple[list[float], int]:
    """Milliseconds from when each message was due to its event, and the number of messages without an event."""
    loop = asyncio.get_running_loop()
    messages = list(make_messages(size, seed=11))
    begun, sent = loop.time(), 0
    while sent < len(messages):
        due = min(len(messages), int((loop.time() - begun) * RATE) + 1)
        if due > sent:
            await clients.send(messages[sent:due])
            sent = due
        await asyncio.sleep(TICK_SECONDS)
    ids = [message.message_id for message in messages]
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
    """The process's peak resident memory, as Linux records it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * KIB
