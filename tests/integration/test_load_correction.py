"""A load that somebody set too low in the database stops nobody: places are freed, and nobody gets over the limit."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from distribution.messages import Incoming
from distribution.store.tables import audit_log
from distribution.store.transactions import reading
from tests import factories as made

LIMIT = 5


def closing(contact_id: object) -> Incoming:
    """A message that closes a contact."""
    return Incoming(f'{{"contact_id": "{contact_id}"}}'.encode(), message_id=None, type="contact.close")


@pytest.fixture
async def olga(engine: AsyncEngine) -> int:
    """She has all the contacts she may have and five more wait for her; her load says 0."""
    operator_id = await made.make_operator(engine, "Olga", LIMIT)
    await made.make_source(engine, {operator_id: 1})
    await made.take(engine, made.messages(f"m-{n}" for n in range(2 * LIMIT)))
    await made.change_operator(engine, operator_id, load=0)
    return operator_id


async def repairs(engine: AsyncEngine) -> Sequence[Any]:
    """What the audit tells of corrected loads."""
    async with reading(engine) as conn:
        a = audit_log.c
        of_loads = sa.select(a.role, a.before, a.after).where(a.action == "operator.repaired")
        return [(row.role, json.loads(row.before), json.loads(row.after)) for row in await conn.execute(of_loads)]


async def test_contacts_can_be_closed(engine: AsyncEngine, olga: int, random: Random) -> None:
    """Both closes go through, two who waited get the places, and the load is right again, logged and audited."""
    first, second, *_ = await made.all_contacts(engine)
    with capture_logs() as logged:
        taken = await made.take(engine, [closing(first.id), closing(second.id)], random)
    assert taken.counts == {"closed": 2}
    assert await made.loads(engine) == {olga: LIMIT}
    assert [line["event"] for line in logged] == ["load_corrected"]
    assert await repairs(engine) == [("system", {"load": 0}, {"load": LIMIT})]


async def test_a_load_that_is_only_a_little_too_low_is_corrected_when_it_runs_out(
    engine: AsyncEngine, olga: int, random: Random
) -> None:
    """Two are closed where the counter knows of one: it is counted before anybody gets a place."""
    await made.change_operator(engine, olga, load=1, is_active=False)
    first, second, *_ = await made.all_contacts(engine)
    assert (await made.take(engine, [closing(first.id), closing(second.id)], random)).counts == {"closed": 2}
    assert await made.loads(engine) == {olga: LIMIT - 2}


async def test_a_contact_can_be_given_to_somebody_else(
    admin: httpx2.AsyncClient, engine: AsyncEngine, olga: int
) -> None:
    """By hand, and by the operator's leaving."""
    ivan = await made.make_operator(engine, "Ivan")
    [first, *_] = await made.all_contacts(engine)
    assert (await admin.post(f"/contacts/{first.id}/assign", json={"operator_id": ivan})).status_code == 200
    assert await made.loads(engine) == {olga: LIMIT, ivan: 1}
    await made.change_operator(engine, olga, load=0)
    left = await admin.patch(f"/operators/{olga}", json={"is_active": False}, params={"reassign": "true"})
    assert (left.status_code, left.json()["load"]) == (200, 0)
    assert await made.loads(engine) == {olga: 0, ivan: 1}
