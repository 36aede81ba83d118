"""Leads whose details another rule spelled are found meanwhile, and spelled as those of today, step by step."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.lead_renormalization import renormalize
from distribution.normalize import RULE
from distribution.store import outdated_normalizations
from distribution.store.database import Database
from distribution.store.outdated_normalizations import IDS_AT_ONCE, ROWS_AT_ONCE, NormalizedDetails
from distribution.store.tables import leads
from distribution.store.transactions import reading, transaction
from tests.factories import make_source, message, take
from tests.integration.api_client import all_items

BEFORE: dict[str, dict[str, str | None]] = {
    "mexico": {"phone": "+52 1 55 1234 5678", "email": "Anna@Example.com", "email_normalized": "Anna@example.com"},
    "brazil": {"phone": "+551187654321", "phone_normalized": "+551187654321", "email": "mailto:anna@example.com"},
    "argentina": {"phone": "+54 9 11 2345-6789", "phone_normalized": "+5491123456789"},
    "landline": {"phone": "+551133334444", "phone_normalized": "+551133334444"},
    "unreadable": {"phone": "call me", "email": "a@b"},
    "silent": {},
}
"""What a worker of the release before leaves: its own spellings, or none, and no rule."""
NOW = {
    "mexico": ("+525512345678", "anna@example.com"),
    "brazil": ("+5511987654321", "anna@example.com"),
    "argentina": ("+541123456789", None),
    "landline": ("+551133334444", None),
    "unreadable": (None, None),
    "silent": (None, None),
}


async def write_as_before(engine: AsyncEngine, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Leads by external_id, as the release before writes them."""
    names = ("phone", "email", "phone_normalized", "email_normalized")
    values = [
        {"external_id": external_id} | {name: row.get(name) for name in names} for external_id, row in rows.items()
    ]
    insert = (
        "INSERT INTO leads (external_id, phone, email, phone_normalized, email_normalized, created_at)"
        " VALUES (:external_id, :phone, :email, :phone_normalized, :email_normalized, CURRENT_TIMESTAMP)"
    )
    async with transaction(engine) as conn:
        await conn.execute(sa.text(insert), values)


async def round_of(engine: AsyncEngine) -> int:
    """Once over all leads; returns how many were spelled."""
    last = total = 0
    while True:
        done, number = await renormalize(Database(engine, Random(1)), "", last)
        total += number
        if done <= last:
            return total
        last = done


async def kept(engine: AsyncEngine) -> dict[str, tuple[str | None, str | None]]:
    """The spellings by external_id, once each is marked with the rule of today."""
    c = leads.c
    async with reading(engine) as conn:
        rows = (await conn.execute(sa.select(leads).order_by(c.id))).all()
    for row in rows:
        assert row.phone_rule == (None if row.phone is None else RULE), row
        assert row.email_rule == (None if row.email is None else RULE), row
    return {row.external_id: (row.phone_normalized, row.email_normalized) for row in rows}


async def found(admin: httpx2.AsyncClient, **params: str) -> set[str]:
    """external_ids of the leads that a search finds."""
    return {lead["external_id"] for lead in await all_items(admin, "/leads", **params)}


async def test_known_leads_are_spelled_as_new_ones(engine: AsyncEngine) -> None:
    """What was told stays as it was; a second round has nothing to do, and new leads need none."""
    await write_as_before(engine, BEFORE)
    assert await round_of(engine) == len(BEFORE) - 1
    assert await kept(engine) == NOW
    assert await round_of(engine) == 0
    await make_source(engine, {})
    for number, (external_id, row) in enumerate(BEFORE.items()):
        details = {name: row[name] for name in ("phone", "email") if name in row}
        await take(engine, [message(f"m-{number}", f"new {external_id}", **details)])
    assert await kept(engine) == NOW | {f"new {external_id}": spellings for external_id, spellings in NOW.items()}
    assert await round_of(engine) == 0


async def test_leads_of_the_release_before_are_found_at_once(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """While its workers still run beside those of today: a number in both ways, an address as it was written."""
    await write_as_before(engine, BEFORE)
    assert await found(admin, phone="+55 11 98765-4321") == await found(admin, phone="+55 11 8765-4321") == {"brazil"}
    assert await found(admin, phone="+54 11 2345-6789") == await found(admin, phone="+5491123456789") == {"argentina"}
    assert await found(admin, phone="+551133334444") == {"landline"}
    assert await found(admin, email="Anna@EXAMPLE.com") == {"mexico"}
    await round_of(engine)
    assert await found(admin, phone="+525512345678") == await found(admin, phone="0052 1 55 1234 5678") == {"mexico"}
    assert (
        await found(admin, email="anna@example.com")
        == await found(admin, email="ANNA@example.com.")
        == {
            "mexico",
            "brazil",
        }
    )


async def test_old_and_new_leads_name_each_other(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Before the old one is spelled anew and after it."""
    await write_as_before(engine, {"old": BEFORE["brazil"]})
    await make_source(engine, {})
    await take(engine, [message("m", "new", phone="+5511987654321")])
    for _ in range(2):
        for lead_id, other in ((1, "new"), (2, "old")):
            named = (await admin.get(f"/leads/{lead_id}")).json()["possible_duplicates"]
            assert [(lead["external_id"], lead["same"]) for lead in named] == [(other, ["phone"])]
        await round_of(engine)


async def test_what_a_worker_of_the_release_before_fills_is_spelled_anew(engine: AsyncEngine) -> None:
    """Its blank may be filled by either: only what the old one wrote is left to be spelled."""
    await make_source(engine, {})
    await take(engine, [message("m-1", "anna", phone="+5215512345678"), message("m-2", "petr", email="P@example.com")])
    as_before = {"mail": "Anna@Example.com", "spelled": "Anna@example.com"}
    async with transaction(engine) as conn:
        fill = "UPDATE leads SET email = :mail, email_normalized = :spelled WHERE external_id = 'anna'"
        await conn.execute(sa.text(fill), as_before)
    await write_as_before(engine, {"olga": {"email": "O@example.com", "email_normalized": "O@example.com"}})
    await take(engine, [message("m-3", "olga", phone="+5491123456789"), message("m-4", "petr", phone="+551187654321")])
    assert await round_of(engine) == 2
    assert await kept(engine) == {
        "anna": ("+525512345678", "anna@example.com"),
        "petr": ("+5511987654321", "p@example.com"),
        "olga": ("+541123456789", "o@example.com"),
    }


async def test_a_round_may_end_anywhere(engine: AsyncEngine) -> None:
    """More leads than a step takes, with gaps between their ids: each step goes on where rows say what is done."""
    number = 2 * ROWS_AT_ONCE + 1
    await write_as_before(engine, {f"lead-{n}": {"email": f"L{n}@Example.com"} for n in range(number)})
    async with transaction(engine) as conn:
        await conn.execute(sa.update(leads).where(leads.c.id > 5).values(id=leads.c.id + 3 * IDS_AT_ONCE))
    done, first = await renormalize(Database(engine, Random(1)), "", 0)
    assert (done, first) == (IDS_AT_ONCE, 5)
    assert await round_of(engine) == number - 5
    assert await kept(engine) == {f"lead-{n}": (None, f"l{n}@example.com") for n in range(number)}


async def spell_as(engine: AsyncEngine, new: Sequence[NormalizedDetails]) -> None:
    """Write spellings that were made before."""
    async with transaction(engine) as conn:
        await outdated_normalizations.write(conn, new)


async def test_what_was_told_meanwhile_keeps_its_spelling(engine: AsyncEngine) -> None:
    """A detail that came after the lead was read is not left with the spelling of nothing."""
    await write_as_before(engine, {"anna": {"phone": "+551187654321", "phone_normalized": "+551187654321"}})
    await make_source(engine, {})
    await take(engine, [message("m", "anna", email="Anna@example.com")])
    await spell_as(engine, [NormalizedDetails(1, "+551187654321", None, "+5511987654321", None)])
    assert await round_of(engine) == 1
    assert await kept(engine) == {"anna": ("+5511987654321", "anna@example.com")}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_nobody_is_waited_for(engine: AsyncEngine) -> None:
    """A lead that somebody is at is left for the next round; the others of the step are done."""
    await write_as_before(engine, {name: {"email": f"{name}@Example.com"} for name in ("anna", "petr")})
    async with transaction(engine) as conn:
        await conn.execute(sa.select(leads.c.id).where(leads.c.external_id == "anna").with_for_update())
        await round_of(engine)
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(leads.c.external_id, leads.c.email_normalized).order_by(leads.c.id))
    assert rows.all() == [("anna", None), ("petr", "petr@example.com")]
    assert await round_of(engine) == 1
