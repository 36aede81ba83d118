"""`python -m benchmarks`: measures everything on a broker and a PostgreSQL of its own; `make bench`."""

import signal
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from benchmarks import freed_place_latency, growth, latency, latency_under_attack, report, throughput
from benchmarks.attacks import ATTACKS, Attacks
from benchmarks.environment import Environment
from benchmarks.report import Results, middle
from benchmarks.throughput import CANDIDATES, CEILING, OURS_POSTGRESQL, OURS_SQLITE
from benchmarks.workload import Size
from devservices.broker import broker
from devservices.postgres import postgres

LOADS = (0.1, 0.5, 0.9)
SECONDS = 10
OFFICE_CLOSES = 300
WIDE = 160


class Part(StrEnum):
    """What can be measured separately."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    GROWTH = "growth"
    BACKLOG = "backlog"
    SERVING = "serving"
    HOSTILE = "hostile"


def main(
    only: Annotated[list[Part] | None, typer.Option(help="leave out all other parts; can be given again")] = None,
    rounds: Annotated[int, typer.Option(help="of throughput, latency and growth")] = 3,
    messages: Annotated[int, typer.Option(help="of one run of throughput and growth")] = 20_000,
    attack_seconds: Annotated[float, typer.Option(help="how long each attack lasts")] = 20,
    attack: Annotated[list[str] | None, typer.Option(help="only this attack; can be given again")] = None,
    backlog: Annotated[int, typer.Option(help="messages on the broker while memory is measured")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="where the figures go, as JSON")] = Path("bench.json"),
) -> None:
    """Measure ours beside the ceiling and naive workers: about forty-five minutes."""
    attacks = Attacks([known for known in ATTACKS if not attack or known.name in attack], attack_seconds)
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # so that the servers started here end with this process
    with broker(control=True) as own_broker, postgres(control=True) as server:
        environment = Environment(own_broker, server, Path(tempfile.mkdtemp(prefix="contacts-bench-")))
        results = uvloop.run(
            _measure(environment, set(only or Part), Size(messages=messages), rounds, backlog, attacks, console)
        )
    report.show(console, results)
    report.save(out, results)
    console.print(f"\nthe same as JSON: {out}")


async def _measure(
    environment: Environment,
    parts: set[Part],
    size: Size,
    rounds: int,
    backlog: int,
    attacks: Attacks,
    console: Console,
) -> Results:
    results = Results()

    def say(line: str) -> None:
        console.print(line, highlight=False)

    if Part.THROUGHPUT in parts:
        results.throughput = await throughput.interleaved(environment, CANDIDATES, size, rounds, say)
    if Part.LATENCY in parts:
        results.latency = await latency.beside_the_ceiling(
            environment, (OURS_SQLITE, OURS_POSTGRESQL), CEILING, LOADS, rounds, SECONDS, say
        )
    if Part.GROWTH in parts:
        rate = (middle(results.throughput, OURS_SQLITE.name) or 2_000) / 4
        results.growth = await growth.grow(environment, rounds, rate, size.messages, say)
    if Part.BACKLOG in parts:
        results.backlog_mib = await growth.memory_under_backlog(environment, backlog, say)
    if Part.SERVING in parts:
        for candidate in (OURS_SQLITE, OURS_POSTGRESQL):
            results.serving.append(await freed_place_latency.measure(environment, candidate, OFFICE_CLOSES))
            say(f"served: {results.serving[-1]}")
    if Part.HOSTILE in parts:
        for candidate in (OURS_SQLITE, OURS_POSTGRESQL):
            results.hostile += await latency_under_attack.measure_attacks(environment, candidate, attacks, say)
    return results


if __name__ == "__main__":
    typer.run(main)
