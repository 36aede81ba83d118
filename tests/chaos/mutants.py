"""Faults planted in copies of the code: each is one that a careless change could make, and the judge must see it."""

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from devservices.broker import Broker, broker
from devservices.postgres import Postgres, postgres
from tests.chaos.chaos_run import ChaosRun
from tests.chaos.plan import PLANTED, seeded
from tests.chaos.source_copy import copy_source

QUIET_SECONDS = 25


class MutantNotApplied(Exception):
    """The code no longer contains the text that the fault replaces."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A text that a file contains exactly once, and its replacement."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault, and the prefixes of the findings that show that the judge sees it.

    `broker_faults`, `database_faults`, `full_subscriber`: needed if only these expose the fault.
    `seconds_away`: how long the database is then unavailable.
    """

    name: str
    seen_as: tuple[str, ...]
    edits: tuple[Edit, ...]
    sql: str = ""
    broker_faults: int = 0
    database_faults: int = 0
    seconds_away: float = PLANTED.seconds_away
    rate: int = PLANTED.rate
    full_subscriber: bool = False


DELIVERY_SETTLER, DELIVERY_BUFFER = "worker/consume/delivery_settler.py", "worker/consume/delivery_buffer.py"
POOLS, CHANNELS = "distribution/store/operator_pool.py", "worker/broker/aiormq_channels.py"
BATCH = "        with self._metrics.batch_seconds.time(), self._relay.lend_confirmed_ids() as confirmed_ids:\n"
APPLY = "            self._apply_results(publisher, self._note_unroutable)\n"
RECONNECT = """            reports = publisher.take_reports()
            if any(result == "refused" for _, result, _ in reports):
                raise ConnectionError("the broker could not take an event")
            self._report(self._state.apply_results(reports, time.monotonic(), self._note_unroutable))
"""
EARLY_ACKNOWLEDGE = """        if buffer is not None:
            await buffer.acknowledge(deliveries.values())
"""
CONFIRM = "self._on_result(about, PublishResult.CONFIRMED)"
ACKNOWLEDGE = "            await buffer.acknowledge([deliveries[id(decoded)] for decoded in messages])\n"

MUTANTS = (
    Mutant(
        "acknowledge before commit",
        ("lost",),
        (
            Edit(DELIVERY_SETTLER, ACKNOWLEDGE, "            pass\n"),
            Edit(DELIVERY_SETTLER, BATCH, EARLY_ACKNOWLEDGE + BATCH),
        ),
    ),
    Mutant(
        "acknowledge everything held with the first batch",
        ("lost",),
        (Edit(DELIVERY_BUFFER, "acknowledge(tags, multiple=tags == oldest)", "acknowledge([0], multiple=True)"),),
    ),
    Mutant(
        "no unique key",
        ("doubled",),
        (
            Edit(
                "distribution/intake/idempotency.py",
                "contacts = await contact_rows.by_keys(conn, sorted(keys)) if keys else {}",
                "contacts: dict[ContactKey, Contact] = {}",
            ),
        ),
        sql="ALTER TABLE contacts DROP CONSTRAINT uq_contacts_source_id_message_id_producer",
    ),
    Mutant(
        "no confirms",
        ("change without its event",),
        (
            Edit(CHANNELS, "publisher_confirms=True", "publisher_confirms=False"),
            Edit(CHANNELS, "self._in_flight[self._next_tag] = message_id, about", CONFIRM),
        ),
        broker_faults=3,
    ),
    Mutant(
        "events published without an outbox row",
        ("change without its event",),
        (
            Edit(
                "distribution/allocation/allocator.py",
                "        await outbox.insert(self.conn, publications, self.claim)\n",
                "        if self.claim is None:\n            await outbox.insert(self.conn, publications, None)\n",
            ),
        ),
    ),
    Mutant(
        "a contact's later events leave without waiting for the earlier",
        ("out of order",),
        (Edit("distribution/store/outbox_leases.py", "free, ~blocked)", "free)"),),
    ),
    Mutant(
        "a nack that reconnects",
        ("late",),
        (Edit("worker/publish/lane.py", APPLY, RECONNECT),),
        full_subscriber=True,
    ),
    Mutant(
        "operators neither locked nor guarded",
        ("over the limit", "load"),
        (
            Edit(POOLS, ".order_by(o.id)\n        .with_for_update(key_share=True)", ".order_by(o.id)"),
            Edit(POOLS, ".order_by(s.id)\n        .with_for_update(key_share=True)", ".order_by(s.id)"),
            Edit(POOLS, "sa.or_(change.by < 0, change.forced == 1, fits)", "sa.true()"),
        ),
        # Two workers compete for the last place only while the places fill up.
        rate=2_500,
    ),
    Mutant(
        "waiting contacts are never served",
        ("waiting beside a free place",),
        (Edit("distribution/allocation/allocator.py", "while served < limit and", "while served < 0 and"),),
    ),
    Mutant(
        "a deferral by the clock",
        ("parked without a reason of its sender: {'unknown_contact'",),
        (
            # Shorter delays, so that an outage of seconds outlasts them as a quarter of an hour outlasts the real ones.
            Edit("distribution/intake/parking.py", "in (5, 30, 120, 600))", "in (1, 1, 3, 60))"),
            Edit(
                "distribution/intake/replay.py",
                "row.retries = row.retries + 1 if row.code == outcome.code else 0",
                "row.retries = sum((now - row.created_at).total_seconds() > by for by in (1, 2, 5, 65))",
            ),
        ),
        database_faults=1,
        seconds_away=75.0,
    ),
)


def run_all(seed: int) -> int:
    """Plant each, run, and print the judge's findings; returns how many faults it did not see."""
    unseen = 0
    with broker(control=True) as own_broker, postgres(control=True) as server:
        for fault in MUTANTS:
            findings = asyncio.run(find(fault, seed, own_broker, server))
            unseen += not seen(fault, findings)
            typer.echo(f"{'seen' if seen(fault, findings) else 'NOT SEEN'} | {fault.name} | {'; '.join(findings)}")
    return unseen


def seen(fault: Mutant, findings: list[str]) -> bool:
    """Whether one of the findings shows the fault."""
    return any(finding.startswith(fault.seen_as) for finding in findings)


async def find(fault: Mutant, seed: int, own_broker: Broker, server: Postgres) -> list[str]:
    """What the judge finds in a run of code with the fault."""
    folder = Path(tempfile.mkdtemp(prefix="contacts-planted-"))
    plan = replace(
        seeded(PLANTED, seed),
        broker_faults=fault.broker_faults,
        database_faults=fault.database_faults,
        seconds_away=fault.seconds_away,
        rate=fault.rate,
        full_subscriber=fault.full_subscriber,
    )
    code = plant(fault, folder / "code")
    chaos_run = ChaosRun(plan, own_broker, server, folder, lambda _: None, code, fault.sql, QUIET_SECONDS)
    return (await chaos_run.run()).findings


def plant(fault: Mutant, code: Path) -> Path:
    """A copy of the code with the fault in it; MutantNotApplied if a file does not contain a text exactly once."""
    copy_source(code)
    for edit in fault.edits:
        text = (code / edit.file).read_text()
        if text.count(edit.old) != 1:
            raise MutantNotApplied(f"{fault.name}: {edit.file} has the text to replace {text.count(edit.old)} times")
        (code / edit.file).write_text(text.replace(edit.old, edit.new))
    return code
