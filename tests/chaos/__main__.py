"""`python -m tests.chaos`: breaks everything for a while and prints what the judge found."""

import asyncio
import logging
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from devservices.broker import broker
from devservices.postgres import postgres
from tests.chaos.chaos_run import ChaosRun, Verdict
from tests.chaos.mutants import run_all
from tests.chaos.plan import LONG, SHORT, Plan, backends, seeded
from tests.chaos.source_copy import copy_source


def main(
    backend: Annotated[str, typer.Option(help="postgresql, sqlite or both")] = "both",
    seed: Annotated[int, typer.Option(help="0 draws one; the same seed repeats a run")] = 0,
    short: Annotated[bool, typer.Option(help="the run of the tests instead of the long one")] = False,
    planted: Annotated[bool, typer.Option(help="plant faults in copies of the code; the judge must see each")] = False,
) -> None:
    """Kill workers, brokers and databases while contacts go through; exit status 1 if a promise was broken."""
    logging.disable(logging.ERROR)  # the client library logs each connection that we broke ourselves
    seed = seed or secrets.randbelow(1_000_000)
    typer.echo(f"seed {seed}")
    selected = backends(backend)
    if not selected:
        raise typer.BadParameter("--backend is postgresql, sqlite or both")
    if planted:
        sys.exit(run_all(seed))
    is_good = True
    for name in selected:
        verdict = run_chaos(seeded((SHORT if short else LONG)[name], seed))
        show(verdict)
        is_good = is_good and not verdict.findings
    sys.exit(0 if is_good else 1)


def run_chaos(plan: Plan) -> Verdict:
    """One run on services of its own."""
    with ExitStack() as stack:
        own_broker = stack.enter_context(broker(control=True))
        server = stack.enter_context(postgres(control=True)) if plan.backend == "postgresql" else None
        folder = Path(tempfile.mkdtemp(prefix="contacts-chaos-"))
        typer.echo(f"{plan.backend}: logs of the workers are in {folder}")
        return asyncio.run(ChaosRun(plan, own_broker, server, folder, typer.echo, copy_source(folder / "code")).run())


def show(verdict: Verdict) -> None:
    """Print the numbers and the findings."""
    typer.echo(f"\n{verdict.plan.backend}, seed {verdict.plan.seed}, {verdict.seconds:.0f} s")
    for name, number in sorted(verdict.counts.items()):
        typer.echo(f"  {name:20} {number:8}")
    for finding in verdict.findings:
        typer.echo(f"  FOUND {finding}")
    typer.echo("  every promise was kept" if not verdict.findings else f"  {len(verdict.findings)} findings")


if __name__ == "__main__":
    typer.run(main)
