"""Tables for the screen, and everything as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.freed_place_latency import Serving
from benchmarks.growth import GrowthResult
from benchmarks.latency import Latency
from benchmarks.latency_under_attack import AttackResult
from benchmarks.throughput import (
    CEILING,
    CEILING_AIORMQ,
    NAIVE_POSTGRESQL,
    NAIVE_SQLITE,
    OURS_POSTGRESQL,
    OURS_SQLITE,
    Run,
)

MIB = 2**20
HALF = 0.5
RATIOS = (
    ("ours on SQLite / the ceiling", OURS_SQLITE, CEILING, 0.70),
    ("ours on PostgreSQL / the ceiling", OURS_POSTGRESQL, CEILING, 0.75),
    ("ours on SQLite / the ceiling of aiormq", OURS_SQLITE, CEILING_AIORMQ, 0.0),
    ("ours on PostgreSQL / the ceiling of aiormq", OURS_POSTGRESQL, CEILING_AIORMQ, 0.0),
    ("ours / naive, SQLite", OURS_SQLITE, NAIVE_SQLITE, 30.0),
    ("ours / naive, PostgreSQL", OURS_POSTGRESQL, NAIVE_POSTGRESQL, 15.0),
)


@dataclass
class Results:
    """What was measured; parts that were left out are empty."""

    throughput: list[Run] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    growth: list[GrowthResult] = field(default_factory=list)
    backlog_mib: dict[str, float] = field(default_factory=dict)
    serving: list[Serving] = field(default_factory=list)
    hostile: list[AttackResult] = field(default_factory=list)


def middle(runs: Iterable[Run], candidate: str) -> float:
    """The median of a candidate's contacts per second; 0 if there are none."""
    return statistics.median([run.per_second for run in runs if run.candidate == candidate] or [0.0])


def show(console: Console, results: Results) -> None:
    """Print each table that has rows."""
    tables = [
        (_throughput(results.throughput), results.throughput),
        (_ratios(results), results.throughput or results.growth or results.latency),
        (_latency(results.latency), results.latency),
        (_growth(results.growth), results.growth),
        (_reads(results.growth), results.growth),
        (_serving(results), results.serving or results.backlog_mib),
        (_hostile(results.hostile), results.hostile),
    ]
    console.print(*[table for table, there in tables if there], sep="\n\n")


def save(path: Path, results: Results) -> None:
    """Write the results as JSON, with the machine they were measured on."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    path.write_text(json.dumps({"machine": machine, **asdict(results)}, indent=2) + "\n")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _throughput(runs: Sequence[Run]) -> Table:
    table = _table("Throughput", "candidate", "contacts/s", "least", "most", "CPU µs each", "MiB")
    for name in dict.fromkeys(run.candidate for run in runs):
        own = [run for run in runs if run.candidate == name]
        rates = [run.per_second for run in own]
        table.add_row(
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}",
            f"{max(rates):,.0f}",
            f"{statistics.median(run.cpu for run in own):,.0f}",
            f"{max(run.memory for run in own) / MIB:,.0f}",
        )
    return table


def _ratios(results: Results) -> Table:
    table = _table("Ratios", "what", "ratio", "wanted")
    for name, upper, lower, least in RATIOS:
        above, below = middle(results.throughput, upper.name), middle(results.throughput, lower.name)
        if above and below:
            table.add_row(name, f"{above / below:.2f}", f"at least {least:g}" if least else "")
    for name, upper_case, lower_case, target in (
        ("1,000,000 contacts / none", "1,000,000 contacts", "nothing there", "at least 0.9"),
        ("1,000 operators / 10", "1,000 operators", "10 operators", "at least 0.7"),
    ):
        for candidate in (OURS_SQLITE.name, OURS_POSTGRESQL.name):
            by_case = {g.case: middle(g.runs, candidate) for g in results.growth if g.candidate == candidate}
            if by_case:
                table.add_row(f"{name}, {candidate}", f"{by_case[upper_case] / by_case[lower_case]:.2f}", target)
    by_rate = {(name, rate): runs for (name, rate), runs in _by_rate(results.latency).items() if runs[0].load == HALF}
    for (name, rate), runs in by_rate.items():
        if name != CEILING.name:
            ratio = _p99(runs) / _p99(by_rate[CEILING.name, rate])
            table.add_row(f"p99 at half load / the ceiling's, {name}", f"{ratio:.2f}", "at most 3")
    return table


def _latency(latencies: Sequence[Latency]) -> Table:
    table = _table("Latency, ms", "candidate", "contacts/s", "p50", "p95", "p99", "least p99", "most p99", "sent late")
    for (name, rate), runs in _by_rate(latencies).items():
        middles = statistics.median(r.p50 for r in runs), statistics.median(r.p95 for r in runs), _p99(runs)
        spread = min(r.p99 for r in runs), max(r.p99 for r in runs)
        late = sum(r.late for r in runs) / sum(r.messages for r in runs)
        table.add_row(name, f"{rate:,.0f}", *_ms(*middles, *spread), f"{late:.1%}")
    return table


def _by_rate(latencies: Iterable[Latency]) -> dict[tuple[str, float], list[Latency]]:
    """The rounds of each candidate at each rate."""
    by_rate: dict[tuple[str, float], list[Latency]] = {}
    for latency in latencies:
        by_rate.setdefault((latency.candidate, latency.rate), []).append(latency)
    return by_rate


def _p99(runs: Iterable[Latency]) -> float:
    return statistics.median(run.p99 for run in runs)


def _growth(growth: Sequence[GrowthResult]) -> Table:
    table = _table(
        "Growth", "what is there", "database", "contacts/s", "least", "most", "p50 ms", "p99 ms", "bytes each"
    )
    for result in growth:
        rates = [run.per_second for run in result.runs]
        latency = _ms(result.latencies[0].p50, result.latencies[0].p99) if result.latencies else ["", ""]
        numbers = [f"{rate:,.0f}" for rate in (statistics.median(rates), min(rates), max(rates))]
        size = f"{result.bytes_per_contact:,.0f}" if result.bytes_per_contact else ""
        table.add_row(result.case, result.candidate, *numbers, *latency, size)
    return table


def _reads(growth: Sequence[GrowthResult]) -> Table:
    paths = list(growth[0].reads) if growth else []
    table = _table("Lists of the API, median ms", "what is there", "database", *paths)
    for result in growth:
        table.add_row(result.case, result.candidate, *_ms(*result.reads.values()))
    return table


def _serving(results: Results) -> Table:
    table = _table(
        "A place freed over HTTP → event; memory under a long backlog", "database", "p50 ms", "p99 ms", "MiB"
    )
    by_name = {serving.candidate: serving for serving in results.serving}
    for name in dict.fromkeys([*by_name, *results.backlog_mib]):
        waits = _ms(by_name[name].p50, by_name[name].p99) if name in by_name else ["", ""]
        memory = f"{results.backlog_mib[name]:.0f}" if name in results.backlog_mib else ""
        table.add_row(name, *waits, memory)
    return table


def _ms(*values: float) -> list[str]:
    return [f"{value:,.1f}" for value in values]


def _hostile(runs: Sequence[AttackResult]) -> Table:
    table = _table(
        "Honest contacts beside an attack, in milliseconds; p99 also as a ratio to the one without an attack",
        "database",
        "attack",
        "p50",
        "p99",
        "ratio",
        "longest",
        "unheard",
        "peak MiB",
        "/healthz silent, s",
    )
    calm = {run.candidate: run.p99 for run in runs if run.attack == "none"}
    for run in runs:
        ratio = f"{run.p99 / calm[run.candidate]:.1f}" if run.candidate in calm else ""
        waits = (f"{run.p50:.0f}", f"{run.p99:.0f}", ratio, f"{run.longest:.0f}", f"{run.unheard}")
        table.add_row(run.candidate, run.attack, *waits, f"{run.peak_mib:.0f}", f"{run.silence_seconds:.2f}")
    return table
