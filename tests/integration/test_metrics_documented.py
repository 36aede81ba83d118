"""docs/metrics.md lists every metric of both processes: its name, type and labels."""

import re
from collections.abc import Iterable
from pathlib import Path
from random import Random

from prometheus_client import Counter, Gauge, Histogram, Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.http.metrics import Metrics
from distribution.backlog_metrics import BacklogGauges
from distribution.messages import Incoming
from distribution.store.database import Database
from tests.factories import make_source, take
from worker.metrics import Metrics as WorkerMetrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
OF_THE_CLIENT = "process_"
ADDED = {"le"}
"""A label of a histogram's buckets."""

Described = dict[str, tuple[str, frozenset[str]]]
"""Type and labels by name."""


def documented(heading: str) -> Described:
    """What a section of the page says."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(section)}


def exposed(families: Iterable[Metric]) -> Described:
    """What a registry holds; every family has a series."""
    found: Described = {}
    for family in families:
        if not family.name.startswith(OF_THE_CLIENT):
            labels = {label for sample in family.samples for label in sample.labels} - ADDED
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, frozenset(labels))
    return found


def test_those_of_the_worker() -> None:
    """None is missing on the page, none is gone from the worker."""
    metrics, described = WorkerMetrics(), documented("Of a worker")
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            for family in metric.describe():
                name = f"{family.name}_total" if family.type == "counter" else family.name
                if labels := described[name][1]:
                    metric.labels(**dict.fromkeys(labels, "x"))  # raises if they are not its labels
    assert exposed(metrics.registry.collect()) == described


def test_those_of_the_api() -> None:
    """Likewise."""
    metrics = Metrics()
    metrics.count("/readyz", "GET", 200, 0.1)
    assert exposed(metrics.registry.collect()) == documented("Of the API")


async def test_those_of_the_database(engine: AsyncEngine) -> None:
    """What both processes show of it, once there is a source and a parked message."""
    await make_source(engine, {})
    await take(engine, [Incoming(b"{", message_id="m-1")])
    gauges = BacklogGauges(Database(engine, Random(1)))
    await gauges.read()
    assert exposed(gauges.collect()) == documented("Of the database")
