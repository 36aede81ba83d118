"""A lead is one customer, however many of its contacts come and whatever each of them knows of it."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.tables import leads
from distribution.store.transactions import reading
from tests import factories as made


async def all_leads(engine: AsyncEngine) -> dict[str, tuple[str | None, str | None]]:
    """(phone, email) by external id."""
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(leads.c.external_id, leads.c.phone, leads.c.email))
        return {external_id: (phone, email) for external_id, phone, email in rows}


async def normalized(engine: AsyncEngine) -> dict[str, tuple[str | None, str | None]]:
    """(phone, email) as normalised, by external id."""
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(leads.c.external_id, leads.c.phone_normalized, leads.c.email_normalized))
        return {external_id: (phone, email) for external_id, phone, email in rows}


@pytest.fixture
async def opened(engine: AsyncEngine) -> AsyncEngine:
    """A database with the usual source and an operator."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    return engine


async def test_blanks_are_filled_and_never_overwritten(opened: AsyncEngine) -> None:
    """What a later contact knows is added; what is known stays, whatever a later contact says."""
    said: list[tuple[dict[str, Any], tuple[str | None, str | None]]] = [
        ({}, (None, None)),
        ({"phone": "1"}, ("1", None)),
        ({"phone": "2", "email": ""}, ("1", None)),
        ({"phone": "2", "email": "a@b"}, ("1", "a@b")),
        ({"phone": "3", "email": "c@d"}, ("1", "a@b")),
        ({}, ("1", "a@b")),
    ]
    for number, (details, known) in enumerate(said):
        taken = await made.take(opened, [made.message(f"m-{number}", "anna", **details)])
        assert taken.counts == {"active": 1}
        assert await all_leads(opened) == {"anna": known}
        lead = (await made.all_events(opened))[-1]["data"]["lead"]
        assert (lead["external_id"], lead["phone"], lead["email"]) == ("anna", *known)


async def test_one_lead_many_times_in_one_batch(opened: AsyncEngine) -> None:
    """Contacts of one new lead that arrive together make one lead, with the first of each detail."""
    batch = [
        made.message("m-1", "anna"),
        made.message("m-2", "anna", phone="1"),
        made.message("m-3", "petr", email="p@q"),
        made.message("m-4", "anna", phone="2", email="a@b"),
    ]
    await made.take(opened, batch)
    assert await all_leads(opened) == {"anna": ("1", "a@b"), "petr": (None, "p@q")}
    by_key = {c.message_id: c.lead_id for c in await made.all_contacts(opened)}
    assert by_key["m-1"] == by_key["m-2"] == by_key["m-4"] != by_key["m-3"]
    shown = {(e["data"]["lead"]["id"], e["data"]["lead"]["phone"]) for e in await made.all_events(opened)}
    assert shown == {(by_key["m-1"], "1"), (by_key["m-3"], None)}


async def test_a_batch_fills_many_known_leads_each_with_its_own(opened: AsyncEngine) -> None:
    """Known and new leads mixed in one batch keep their own details apart."""
    await made.take(opened, [made.message(f"a-{i}", f"lead-{i}") for i in range(0, 40, 2)])
    await made.take(opened, [made.message(f"b-{i}", f"lead-{i}", phone=f"p{i}") for i in reversed(range(40))])
    assert await all_leads(opened) == {f"lead-{i}": (f"p{i}", None) for i in range(40)}


async def test_a_lead_is_the_same_over_all_sources(opened: AsyncEngine) -> None:
    """A customer who comes through two bots is one lead."""
    await made.make_source(opened, {}, "web")
    await made.take(opened, [made.message("m", "anna", phone="1"), made.message("m", "anna", source="web", email="e")])
    assert await all_leads(opened) == {"anna": ("1", "e")}


async def test_a_repeated_message_does_not_touch_its_lead(opened: AsyncEngine) -> None:
    """A copy of an old message neither makes a lead nor brings back what it said."""
    old = made.message("m-1", "anna")
    await made.take(opened, [old])
    await made.take(opened, [made.message("m-2", "anna", phone="1")])
    await made.take(opened, [old, old])
    assert await all_leads(opened) == {"anna": ("1", None)}


async def test_a_refused_message_makes_no_lead(opened: AsyncEngine) -> None:
    """Nobody is kept of a message that became no contact."""
    await made.take(opened, [made.message("m-1", "anna")])
    await made.take(opened, [made.message("m-1", "petr", phone="1"), made.message("m-2", "olga", source="none")])
    assert await all_leads(opened) == {"anna": (None, None)}


async def test_details_are_also_kept_normalised(opened: AsyncEngine) -> None:
    """Of new leads and of those filled later; the normalised one always belongs to what is kept as sent."""
    said: list[tuple[dict[str, Any], tuple[str | None, str | None]]] = [
        ({"email": "Anna@Example.COM"}, (None, "anna@example.com")),
        ({"phone": "+7 999 123-45-67", "email": "other@example.com"}, ("+79991234567", "anna@example.com")),
        ({"phone": "+44 20 7946 0958", "email": "other@example.com"}, ("+79991234567", "anna@example.com")),
    ]
    for number, (details, known) in enumerate(said):
        await made.take(opened, [made.message(f"m-{number}", "anna", **details)])
        assert await normalized(opened) == {"anna": known}
    assert await all_leads(opened) == {"anna": ("+7 999 123-45-67", "Anna@Example.COM")}


async def test_what_cannot_be_told_is_kept_as_sent_alone(opened: AsyncEngine) -> None:
    """A later detail that could be told does not stand in for the one that is kept."""
    await made.take(opened, [made.message("m-1", "anna", phone="89991234567", email="a@b")])
    await made.take(opened, [made.message("m-2", "anna", phone="+79991234567", email="a@example.com")])
    assert await all_leads(opened) == {"anna": ("89991234567", "a@b")}
    assert await normalized(opened) == {"anna": (None, None)}


async def test_the_first_detail_of_a_batch_brings_its_normalised_one(opened: AsyncEngine) -> None:
    """Where several contacts of a new lead arrive together, values of two of them do not mix."""
    batch = [
        made.message("m-1", "anna", phone="123"),
        made.message("m-2", "anna", phone="+79991234567", email="A@Example.com"),
    ]
    await made.take(opened, batch)
    assert await all_leads(opened) == {"anna": ("123", "A@Example.com")}
    assert await normalized(opened) == {"anna": (None, "a@example.com")}
