"""The tables at the end of the demo."""

from collections import Counter, defaultdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from distribution.terminal import escaped
from examples.run_scenario import Seen
from examples.scenario import Scenario
from examples.verification import loads_by_events, waiting_by_events


def show(console: Console, scenario: Scenario, seen: Seen) -> None:
    """Print how many contacts each operator got, and the totals by outcome."""
    console.print(_operators(scenario, seen), _totals(seen), sep="\n")


def expected_shares(scenario: Scenario, seen: Seen) -> dict[int, float]:
    """By operator, the expected share of all contacts: its shares of the sources, weighted by their contacts."""
    per_source = Counter(submission.source for submission in scenario.contacts)
    shares: defaultdict[int, float] = defaultdict(float)
    for code, weights in seen.read.weights.items():
        total = sum(weight["weight"] for weight in weights)
        for weight in weights:
            part = weight["weight"] / total
            shares[weight["operator_id"]] += part * per_source[code] / len(scenario.contacts)
    return shares


def _operators(scenario: Scenario, seen: Seen) -> Table:
    table = Table(title="Operators", title_justify="left")
    table.add_column("operator")
    for column in ("weight share", "got", "of all", "load", "limit", ""):
        table.add_column(column, justify="right")
    shares, got = expected_shares(scenario, seen), loads_by_events(seen)
    for operator in seen.read.operators:
        key, load, limit = operator["id"], operator["load"], operator["max_active_contacts"]
        part = got[key] / len(scenario.contacts)
        full = "full" if load >= limit else ""
        name = escape(escaped(operator["name"]))
        table.add_row(name, f"{shares[key]:.1%}", str(got[key]), f"{part:.1%}", str(load), str(limit), full)
    return table


def _totals(seen: Seen) -> Table:
    table = Table(title="Messages", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    table.add_column("remark")
    table.add_row("published", str(seen.published), "confirmed by the broker")
    table.add_row("contacts", str(len(seen.read.contacts)), f"each with one first event, {len(seen.events)} events")
    table.add_row("leads", str(len(seen.read.leads)), "recognised by external_id")
    table.add_row("duplicates recognised", str(seen.recognised), "answered with the first event again")
    table.add_row("waiting", str(waiting_by_events(seen)), "every operator of their source is full")
    for parked in seen.read.parked:
        table.add_row("parked", "1", escape(escaped(f"{parked['code']}: {parked['detail']}")))
    rate = len(seen.events) / seen.seconds if seen.seconds > 0 else 0.0
    table.add_row("contacts per second", f"{rate:.0f}", f"{seen.seconds:.2f} s from first message to last event")
    return table
