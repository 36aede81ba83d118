"""`python -m tests.hostile`: a hundred thousand malformed and abusive messages, sent to a worker of its own."""

import asyncio
import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from devservices.broker import broker
from devservices.postgres import postgres
from distribution.store import schema
from distribution.store.engine import create_engine
from tests.e2e.programs import Programs
from tests.factories import open_source
from tests.hostile.attack import Attack
from worker.broker.topology import Topology


def main(
    count: Annotated[int, typer.Option(help="how many messages")] = 100_000,
    seed: Annotated[int, typer.Option(help="0 draws one; the same seed makes the same messages")] = 0,
    backend: Annotated[str, typer.Option(help="sqlite or postgresql")] = "sqlite",
) -> None:
    """Send them all; exit status 1 if one was lost, the worker died or its memory grew."""
    seed = seed or secrets.randbelow(1_000_000)
    typer.echo(f"seed {seed}, {backend}")
    folder = Path(tempfile.mkdtemp(prefix="contacts-hostile-"))
    with ExitStack() as stack:
        amqp_url = stack.enter_context(broker(control=True)).url
        if backend == "postgresql":
            url = stack.enter_context(postgres(control=True)).create_database()
        else:
            url = f"sqlite+aiosqlite:///{folder / 'contacts.db'}"
        schema.upgrade(url)
        findings = asyncio.run(attack(amqp_url, url, folder, count, seed))
    for finding in findings:
        typer.echo(f"FOUND {finding}")
    sys.exit(1 if findings else 0)


async def attack(amqp_url: str, database_url: str, folder: Path, count: int, seed: int) -> list[str]:
    """One run on running services; returns the findings."""
    engine = create_engine(database_url)
    for source in ("s", "other"):
        await open_source(engine, source, {f"Olga of {source}": (1, 500)})
    programs = Programs({"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "PYTHONPATH": os.getcwd()}, folder)
    worker = await programs.start("worker")
    await worker.until_ready()
    run = Attack(amqp_url, Topology("", "7D"), engine, worker.url, worker.process.pid, count, seed, typer.echo)
    findings = await run.run()
    for outcome, number in sorted(run.outcomes.items()):
        typer.echo(f"  {outcome:28} {number:8}")
    typer.echo(
        f"  memory {run.memory[len(run.memory) // 4] >> 20} MiB, then {run.memory[-1] >> 20}, x{run.growth():.3f}"
    )
    if (status := await worker.stop()) != 0:
        findings.append(f"the worker ended with {status}")
    await engine.dispose()
    return findings


if __name__ == "__main__":
    typer.run(main)
