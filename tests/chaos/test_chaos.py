"""The promises under kills, outages and several workers: short runs. `make chaos` has the long ones."""

import secrets
import tempfile
from pathlib import Path

import pytest

from devservices.broker import Broker
from devservices.postgres import Postgres
from tests.chaos.chaos_run import ChaosRun
from tests.chaos.mutants import MUTANTS, Mutant, find, seen
from tests.chaos.plan import SHORT, Backend, seeded
from tests.chaos.source_copy import copy_source


@pytest.mark.parametrize("backend", ["postgresql"])  # `make chaos` runs both
async def test_every_promise_is_kept(backend: Backend, own_broker: Broker, request: pytest.FixtureRequest) -> None:
    """Workers die, the broker and the database fail, a tenth is sent twice: the judge finds nothing."""
    server: Postgres | None = request.getfixturevalue("own_postgres") if backend == "postgresql" else None
    plan = seeded(SHORT[backend], secrets.randbelow(1_000_000))
    folder = Path(tempfile.mkdtemp(prefix="contacts-chaos-"))
    print(f"seed {plan.seed}, logs in {folder}")  # noqa: T201 - a run that fails has to be repeated
    verdict = await ChaosRun(plan, own_broker, server, folder, lambda _: None, copy_source(folder / "code")).run()
    assert verdict.findings == []


@pytest.mark.parametrize("fault", MUTANTS[:1], ids=lambda fault: fault.name)
async def test_the_judge_sees_a_planted_fault(fault: Mutant, own_broker: Broker, own_postgres: Postgres) -> None:
    """A run that stays green on its planted fault would be blind; `python -m tests.chaos --planted` has all of them."""
    findings = await find(fault, 20261124, own_broker, own_postgres)
    assert seen(fault, findings), findings
