"""Whatever frees a place over HTTP serves waiting contacts, the oldest first, within the limits."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import all_contacts, all_events, loads, make_operator, make_source, message, messages, take

PLACES = 3


async def waiting_keys(engine: AsyncEngine) -> list[str]:
    """The keys of what still waits, oldest first."""
    return [contact.message_id for contact in await all_contacts(engine) if contact.status == "waiting"]


async def test_raising_a_limit_serves_the_oldest(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """As many as there are places now; the answer shows the load, the events go out in order."""
    operator_id = await make_operator(engine, limit=1)
    await make_source(engine, {operator_id: 1})
    await take(engine, messages(f"m{n}" for n in range(6)))
    answer = await admin.patch(f"/operators/{operator_id}", json={"max_active_contacts": 4})
    assert answer.json()["load"] == 4
    assert await waiting_keys(engine) == ["m4", "m5"]
    assert await loads(engine) == {operator_id: 4}
    served = [event for event in await all_events(engine) if event["data"]["sequence"] == 2]
    assert [event["data"]["contact"]["message_id"] for event in served] == ["m1", "m2", "m3"]
    assert {event["type"] for event in served} == {"contact.assigned"}


async def test_activating_serves_the_oldest_of_all_sources(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Over all sources that the place can serve, by age."""
    operator_id = await make_operator(engine, limit=PLACES, active=False)
    for code in ("a", "b"):
        await make_source(engine, {operator_id: 1}, code)
    for number in range(5):
        await take(engine, [message(f"m{number}", source="ab"[number % 2])])
    answer = await admin.patch(f"/operators/{operator_id}", json={"is_active": True})
    assert answer.json()["load"] == PLACES
    assert await waiting_keys(engine) == ["m3", "m4"]


@pytest.mark.parametrize("weight_before", [None, 0])
async def test_a_weight_serves_the_oldest(
    admin: httpx2.AsyncClient, engine: AsyncEngine, weight_before: int | None
) -> None:
    """Whether it is new or raised from 0; a source that it does not serve goes on waiting."""
    operator_id = await make_operator(engine, limit=PLACES)
    source_id = await make_source(engine, {} if weight_before is None else {operator_id: weight_before})
    await make_source(engine, {}, "other")
    await take(engine, [message("other", source="other"), *messages(f"m{n}" for n in range(5))])
    body = {"operators": [{"operator_id": operator_id, "weight": 5}]}
    answer = await admin.put(f"/sources/{source_id}/operators", json=body)
    assert [row["load"] for row in answer.json()["operators"]] == [PLACES]
    assert await waiting_keys(engine) == ["other", "m3", "m4"]
    assert await loads(engine) == {operator_id: PLACES}


@pytest.mark.parametrize("change", [{"name": "New"}, {"max_active_contacts": 2}, {"is_active": False}])
async def test_what_frees_nothing_serves_nobody(
    admin: httpx2.AsyncClient, engine: AsyncEngine, change: dict[str, Any]
) -> None:
    """Waiting contacts stay where they are."""
    operator_id = await make_operator(engine, limit=PLACES)
    await make_source(engine, {operator_id: 1})
    await take(engine, messages(f"m{n}" for n in range(5)))
    await admin.patch(f"/operators/{operator_id}", json=change)
    assert await waiting_keys(engine) == ["m3", "m4"]


async def test_a_close_and_a_move_serve_the_oldest(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The place of a closed contact, and of one that is given to somebody else, over all sources it can serve."""
    olga, ivan = await make_operator(engine, "Olga", 1), await make_operator(engine, "Ivan", 9)
    for code in ("a", "b"):
        await make_source(engine, {olga: 1}, code)
    for number in range(4):
        await take(engine, [message(f"m{number}", source="ab"[number % 2])])
    ids = [contact.id for contact in await all_contacts(engine)]
    await admin.post(f"/contacts/{ids[0]}/close")
    assert await waiting_keys(engine) == ["m2", "m3"]
    await admin.post(f"/contacts/{ids[1]}/assign", json={"operator_id": ivan})
    assert await waiting_keys(engine) == ["m3"]
    assert await loads(engine) == {olga: 1, ivan: 1}


async def test_a_thousand_places_serve_a_thousand_contacts(
    admin: httpx2.AsyncClient, engine: AsyncEngine, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """One operator activated: in several transactions, oldest first, not one more than there are places.

    Records the seconds from the request to the last event in the outbox.
    """
    operator_id = await make_operator(engine, limit=1000, active=False)
    await make_source(engine, {operator_id: 1})
    await take(engine, messages((f"m{n:04}" for n in range(1020)), leads=50))
    asked = datetime.now(UTC)
    answer = await admin.patch(f"/operators/{operator_id}", json={"is_active": True})
    assert answer.json()["load"] == 1000
    assert await loads(engine) == {operator_id: 1000}
    assert await waiting_keys(engine) == [f"m{n:04}" for n in range(1000, 1020)]
    served = [event for event in await all_events(engine) if event["data"]["operator"]]
    assert [event["data"]["contact"]["message_id"] for event in served] == [f"m{n:04}" for n in range(1000)]
    last = datetime.fromisoformat(served[-1]["time"])
    record_testsuite_property(f"seconds_to_serve_1000_{engine.dialect.name}", (last - asked).total_seconds())


async def test_changes_and_submissions_at_once_keep_every_limit(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Limits, weights and new contacts at the same time: no load over its limit, nobody waits beside a free place."""
    operators = [await make_operator(engine, f"o{n}", 2) for n in range(4)]
    sources = [await make_source(engine, dict.fromkeys(operators[n : n + 3], 1), f"s{n}") for n in range(2)]
    rows = [{"operator_id": operator_id, "weight": 7} for operator_id in reversed(operators)]

    async def submit(number: int) -> int:
        body = {"source": f"s{number % 2}", "lead": {"external_id": f"l{number % 5}"}, "message_id": f"m{number}"}
        return (await admin.post("/contacts", json=body)).status_code

    changes = [admin.patch(f"/operators/{o}", json={"max_active_contacts": 5}) for o in operators]
    weights = [admin.put(f"/sources/{s}/operators", json={"operators": rows}) for s in sources]
    submitted = asyncio.gather(*(submit(number) for number in range(30)))
    changed = await asyncio.gather(*changes, *weights)
    assert [answer.status_code for answer in changed] == [200] * 6
    assert await submitted == [201] * 30
    assert sum((await loads(engine)).values()) == 20
    assert len(await waiting_keys(engine)) == 10
