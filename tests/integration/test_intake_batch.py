"""A batch of messages becomes contacts: each once, in order, within everybody's limit."""

import contextlib
import json
from collections import Counter
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import time_of
from distribution.intake.batch import process_batch
from distribution.messages import CLOUDEVENTS_TYPE, Incoming
from distribution.store.tables import contacts, decisions, metadata, operators, sources
from distribution.store.transactions import reading, transaction
from tests import factories as made

ODD_KEYS = (
    "1", "01", "1.0", "1e0", "null", "true", '"', "\\", "\\u0041", "A", "a", "é", "e\u0301", "ß", "ss", "😀", " ", "a ",
    "\n", "\u2028", "\ufeff", "\x1f", "\x7f", "%", "_", "'", "; --", "[]", "{}", "k" * 255, "é" * 127, "-1", "9" * 40,
)  # fmt: skip


async def test_the_same_thousand_messages_twice_are_a_thousand_contacts(engine: AsyncEngine, random: Random) -> None:
    """A bot that sends everything again, in another order, makes no second contact and no second event."""
    olga, ivan = [await made.make_operator(engine, name) for name in ("Olga", "Ivan")]
    await made.make_source(engine, {olga: 1, ivan: 3})
    batch = made.messages((f"m-{i}" for i in range(1000)), leads=400)
    for half in (batch[:500], batch[500:]):
        assert (await made.take(engine, half, random)).counts == {"active": 500}
    before = await made.all_contacts(engine)
    random.shuffle(batch)
    for half in (batch[:500], batch[500:]):
        again = await made.take(engine, half, random)
        assert (again.counts, again.publications) == ({"repeated": 500}, [])
    assert await made.all_contacts(engine) == before
    assert len({c.message_id for c in before}) == len(before) == 1000
    assert len(await made.all_events(engine)) == 1000
    assert sum((await made.loads(engine)).values()) == 1000
    assert len({c.lead_id for c in before}) == 400


async def test_a_key_that_comes_twice_in_one_batch_is_one_contact(engine: AsyncEngine) -> None:
    """Copies that arrive together are recognised like copies that arrive apart."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    taken = await made.take(engine, [made.message(key) for key in ("a", "b", "a", "a", "b", "c")])
    assert taken.counts == {"active": 3, "repeated": 3}
    assert [c.message_id for c in await made.all_contacts(engine)] == ["a", "b", "c"]


async def test_contacts_keep_the_order_of_their_messages(engine: AsyncEngine) -> None:
    """Ids, times and events follow the order of arrival."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    keys = [f"m-{i}" for i in range(50)]
    await made.take(engine, made.messages(keys))
    rows = await made.all_contacts(engine)
    assert [c.message_id for c in rows] == keys
    assert all(c.created_at == time_of(c.id) for c in rows)
    assert [e["data"]["contact"]["message_id"] for e in await made.all_events(engine)] == keys


async def test_odd_keys_are_each_their_own(engine: AsyncEngine) -> None:
    """Keys and external ids that differ in case, accents or spaces are different on both databases."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    batch = [made.message(key, external_id=f".{key[:200]}.") for key in ODD_KEYS]
    assert (await made.take(engine, batch)).counts == {"active": len(ODD_KEYS)}
    assert (await made.take(engine, batch)).counts == {"repeated": len(ODD_KEYS)}
    rows = await made.all_contacts(engine)
    assert [c.message_id for c in rows] == list(ODD_KEYS)
    assert len({c.lead_id for c in rows}) == len(ODD_KEYS)


async def test_a_key_belongs_to_its_source(engine: AsyncEngine) -> None:
    """Two bots that count their messages alike do not get in each other's way."""
    olga = await made.make_operator(engine)
    for code in ("one", "two"):
        await made.make_source(engine, {olga: 1}, code)
    taken = await made.take(engine, [made.message("1", source=code) for code in ("one", "two", "one")])
    assert taken.counts == {"active": 2, "repeated": 1}


async def test_a_cloud_event_is_the_same_contact_as_plain_json(engine: AsyncEngine) -> None:
    """A bot may change to CloudEvents without making its contacts again."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    event = {"specversion": "1.0", "id": "m-1", "type": "contact.submit", "data": json.loads(made.body())}
    as_event = Incoming(json.dumps(event).encode(), content_type=CLOUDEVENTS_TYPE)
    assert (await made.take(engine, [made.message("m-1")])).counts == {"active": 1}
    assert (await made.take(engine, [as_event])).counts == {"repeated": 1}


async def test_three_hundred_contacts_for_a_hundred_places(engine: AsyncEngine, random: Random) -> None:
    """Exactly the places there are get taken, the rest wait, and nobody has more than the limit."""
    limits = {"Olga": 60, "Ivan": 30, "Petr": 10, "Anna": 0}
    team = {name: await made.make_operator(engine, name, limit) for name, limit in limits.items()}
    off = await made.make_operator(engine, "Off", 50, active=False)
    unused = await made.make_operator(engine, "Weight 0", 50)
    await made.make_source(engine, {**dict.fromkeys(team.values(), 10), off: 10, unused: 0})
    counts: Counter[str] = Counter()
    batch = made.messages((f"m-{i}" for i in range(300)), leads=100)
    for part in (batch[:70], batch[70:150], batch[150:]):
        counts += (await made.take(engine, part, random)).counts
    assert counts == {"active": 100, "waiting": 200}
    expected = {team[name]: limit for name, limit in limits.items()} | {off: 0, unused: 0}
    assert await made.loads(engine) == expected
    rows = await made.all_contacts(engine)
    assert [c.status for c in rows] == ["active"] * 100 + ["waiting"] * 200
    assert Counter(e["type"] for e in await made.all_events(engine)) == {
        "contact.assigned": 100,
        "contact.waiting": 200,
    }


async def test_what_was_decided_is_what_is_stored_and_said(engine: AsyncEngine, random: Random) -> None:
    """Contact, decision and event of each message name the same operator, payload and times."""
    team = [await made.make_operator(engine, name, 3) for name in ("Olga", "Ivan")]
    await made.make_source(engine, dict.fromkeys(team, 1))
    await made.take(engine, [made.message(f"m-{i}", payload={"n": i, "big": 10**30}) for i in range(10)], random)
    said = {e["subject"]: e for e in await made.all_events(engine)}
    async with reading(engine) as conn:
        kept = {row.contact_id: row for row in await conn.execute(sa.select(decisions))}
    for contact in await made.all_contacts(engine):
        event, decision = said[str(contact.id)], kept[contact.id]
        operator_id = event["data"]["operator"]["id"] if event["data"]["operator"] else None
        assert contact.operator_id == decision.operator_id == operator_id
        assert json.loads(contact.payload) == event["data"]["payload"]
        assert contact.sequence == decision.sequence == event["data"]["sequence"] == 1
        assert str(decision.event_id) == event["id"]
        assert contact.assigned_at == (time_of(decision.event_id) if operator_id else None)
        assert event["data"]["contact"]["status"] == contact.status == ("active" if operator_id else "waiting")


async def test_a_batch_that_is_rolled_back_leaves_nothing(engine: AsyncEngine, random: Random) -> None:
    """Contacts, leads, loads, decisions, parked messages and events exist together or not at all."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    batch = [made.arrival(m) for m in (*made.messages("abc"), Incoming(b"broken"), made.message("d", source="none"))]
    with contextlib.suppress(ZeroDivisionError):
        async with transaction(engine) as conn:
            taken = await process_batch(conn, batch, random)
            assert len(taken.publications) == 3
            raise ZeroDivisionError
    async with reading(engine) as conn:
        counts = {t.name: await conn.scalar(sa.select(sa.func.count()).select_from(t)) for t in metadata.sorted_tables}
    assert {t for t, count in counts.items() if count} == {"operators", "sources", "source_operators"}
    assert list((await made.loads(engine)).values()) == [0]


async def test_an_empty_batch_is_nothing(engine: AsyncEngine) -> None:
    """A batch without messages neither fails nor writes."""
    taken = await made.take(engine, [])
    assert (taken.publications, taken.counts) == ([], {})


@pytest.mark.parametrize("table", [operators, sources])
async def test_what_has_contacts_cannot_be_deleted(engine: AsyncEngine, table: sa.Table) -> None:
    """An operator or a source that history tells of stays, though its weights may go."""
    await made.make_source(engine, {await made.make_operator(engine): 1})
    await made.take(engine, [made.message("a")])
    with pytest.raises(sa.exc.IntegrityError):
        async with transaction(engine) as conn:
            await conn.execute(sa.delete(table))
    async with transaction(engine) as conn:
        await conn.execute(sa.delete(decisions))
        await conn.execute(sa.delete(contacts))
        await conn.execute(sa.delete(table))
    assert await made.loads(engine) == {} if table is operators else True
