"""How much, how often, from which seed."""

from dataclasses import dataclass, replace
from typing import Literal

Backend = Literal["postgresql", "sqlite"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. The numbers of faults are exact; their times depend on the seed.

    `rate` is submissions per second; `limit`: of each of 20 operators; `cut_offs`: all broker faults are cut-offs;
    `database_faults` stops, freezes or locks the database, `seconds_away` long each; `full_subscriber`: one subscriber
    of one operator's events has a queue that refuses all but a few, until the faults are over.
    """

    backend: Backend
    seed: int
    submissions: int
    rate: int
    workers: int
    kills: int
    broker_faults: int
    database_faults: int
    terminations: int = 0
    seconds_away: float = 5.0
    limit: int = 300
    cut_offs: bool = False
    full_subscriber: bool = False

    @property
    def sources(self) -> list[str]:
        """Codes of the sources."""
        return [f"source-{n}" for n in range(4)]


SHORT = {
    "postgresql": Plan("postgresql", 0, 3_000, 200, 3, kills=6, broker_faults=1, database_faults=1, terminations=2),
    "sqlite": Plan("sqlite", 0, 2_000, 120, 1, kills=4, broker_faults=1, database_faults=1),
}
LONG = {
    "postgresql": Plan(
        "postgresql",
        0,
        100_000,
        130,
        3,
        kills=300,
        broker_faults=30,
        database_faults=8,
        terminations=50,
        full_subscriber=True,
    ),
    "sqlite": Plan(
        "sqlite",
        0,
        60_000,
        60,
        1,
        kills=300,
        broker_faults=10,
        database_faults=4,
        seconds_away=15.0,
        full_subscriber=True,
    ),
}
PLANTED = Plan(
    "postgresql", 0, 5_000, 250, 2, kills=8, broker_faults=0, database_faults=0, terminations=2, limit=60, cut_offs=True
)


def backends(name: str) -> list[Backend]:
    """Which backends a name stands for; none if it is unknown."""
    return [plan.backend for plan in LONG.values() if name in (plan.backend, "both")]


def seeded(plan: Plan, seed: int) -> Plan:
    """The plan with a seed."""
    return replace(plan, seed=seed)
