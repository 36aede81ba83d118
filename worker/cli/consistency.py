"""`contacts-worker check`: counters against the rows they count."""

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from distribution.admin import consistency as checks
from distribution.admin.consistency import Report
from distribution.store.operator_pool import servable_sources
from distribution.terminal import escaped, escaped_json, say
from worker.cli.session import CliSession, looked_at, with_database

DIFFERS = 1


def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired while the system runs; audited.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Recount what counters claim: loads, sequences, history, outbox, waiting contacts beside free places.

    The newest decisions are made again from what is kept of them.

    Exit status 0: nothing differs. 1: something differs, or still does after the repair. 2: could not be checked.
    """
    place, mended, report = with_database(lambda session: _check(session, repair))
    looked_at(place)
    if as_json:
        shown = {
            "database": place,
            "total": report.total,
            "mended": mended,
            "findings": [asdict(finding) for finding in report.findings],
        }
        say(escaped_json(orjson.dumps(shown).decode()))
    else:
        _print_report(report, mended if repair else None)
    raise typer.Exit(DIFFERS if report.total else 0)


async def _check(session: CliSession, repair: bool) -> tuple[str, int, Report]:
    mended = 0
    if repair:
        mended = await checks.repair(session.database, session.actor)
        async with session.database.reading() as conn:
            sources = await servable_sources(conn)
        await session.serve(sources)
    async with session.database.snapshot() as conn:
        return session.place, mended, await checks.check(conn)


def _print_report(report: Report, mended: int | None) -> None:
    for finding in report.findings:
        remedy = "" if not finding.repairable else "  [--repair mends it]"
        say(escaped(f"{finding.kind.value:12} {finding.object}: {finding.detail}{remedy}"))
    if report.total > len(report.findings):
        say(f"and {report.total - len(report.findings)} more")
    if mended is not None:
        say(f"{mended} counters mended")
    say(f"{report.total} differences" if report.total else "nothing differs")
