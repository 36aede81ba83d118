"""A source's dedupe_window: the same lead with the same payload is the same contact, whatever the key."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import first_id_at
from distribution.messages import Incoming
from distribution.store.tables import contact_keys, contact_payloads, contacts, sources
from distribution.store.transactions import reading, transaction
from tests import factories as made
from tests.integration.concurrent_intake import WORKERS, side_by_side, worker
from tests.integration.dedupe_source import HOUR, open_source
from tests.statement_counts import statements


async def change_window(engine: AsyncEngine, window: int | None) -> None:
    """What an admin would do."""
    async with transaction(engine) as conn:
        await conn.execute(sa.update(sources).values(dedupe_window=window))


async def made_ago(engine: AsyncEngine, age: timedelta) -> UUID:
    """Let the newest contact of the only payload be a copy of the contact there is, made so long ago."""
    [row] = await made.all_contacts(engine)
    old_id = first_id_at(datetime.now(UTC) - age)
    async with transaction(engine) as conn:
        old = dict(row._mapping) | {"id": old_id, "message_id": "long ago", "status": "closed"}  # noqa: SLF001 - its name
        await conn.execute(sa.insert(contacts).values(old))
        await conn.execute(sa.update(contact_payloads).values(contact_id=old_id))
    return old_id


async def keys(engine: AsyncEngine) -> set[str]:
    """The further keys of all contacts."""
    async with reading(engine) as conn:
        return set(await conn.scalars(sa.select(contact_keys.c.message_id)))


@pytest.mark.parametrize("together", [True, False])
async def test_a_bot_that_tries_again_under_a_new_key_makes_one_contact(engine: AsyncEngine, together: bool) -> None:
    """In one batch or in two: one contact, one event, one place; who asked gets the event of that contact."""
    await open_source(engine)
    sent = [made.message(key, payload={"text": "hi"}, reply_to="answers") for key in ("a", "b", "c")]
    batches = [sent] if together else [[message] for message in sent]
    counts = sum([(await made.take(engine, batch)).counts for batch in batches], Counter[str]())
    assert counts == {"active": 1, "repeated": 2}
    [contact] = await made.all_contacts(engine)
    assert (contact.message_id, await keys(engine)) == ("a", {"b", "c"})
    event, *replies = await made.all_events(engine)
    assert [reply["id"] for reply in replies] == [event["id"]] * 3
    assert list((await made.loads(engine)).values()) == [1]


async def test_anything_else_is_another_contact(engine: AsyncEngine) -> None:
    """Another payload, lead or source; the order of keys in the payload is nothing else."""
    await open_source(engine)
    await open_source(engine, code="web")
    sent = [
        made.message("1", payload={"a": 1, "b": [2]}),
        made.message("2", payload={"a": 1, "b": [3]}),
        made.message("3", payload={"a": 1.0, "b": [2]}),
        made.message("4", "tg:2", payload={"a": 1, "b": [2]}),
        made.message("5", source="web", payload={"a": 1, "b": [2]}),
        made.message("6", payload={"a": "1", "b": [2]}),
        made.message("7", payload=None),
    ]
    assert (await made.take(engine, sent)).counts == {"active": len(sent)}
    assert (await made.take(engine, [made.message("8", payload={"b": [2], "a": 1})])).counts == {"repeated": 1}


async def test_without_a_window_every_key_is_a_contact_and_nothing_more_is_asked(engine: AsyncEngine) -> None:
    """The default: no statement more than without the feature, no row that only it needs."""
    await open_source(engine, None)
    with statements(engine) as sent:
        assert (await made.take(engine, [made.message("a"), made.message("b")])).counts == {"active": 2}
    assert [each.text for each in sent if re.search(r"\bcontact_(keys|payloads)\b", each.text)] == []
    async with reading(engine) as conn:
        assert not (await conn.execute(sa.select(contact_payloads))).all()


async def test_workers_that_get_one_enquiry_under_many_keys_make_one_contact(
    engine: AsyncEngine, database_url: str
) -> None:
    """Four workers, each with keys of its own for the same 30 enquiries: 30 contacts, whoever is first."""
    await open_source(engine)
    enquiries = range(30)
    own = [[made.message(f"{w}-{i}", f"lead-{i}", payload=i) for i in enquiries for _ in range(2)] for w in range(4)]
    own = [[replace(m, message_id=f"{m.message_id}-{n}") for n, m in enumerate(batch)] for batch in own]
    counts = await side_by_side(database_url, *(worker(batch, 7) for batch in own))
    assert counts == {"active": 30, "repeated": 30 * 2 * WORKERS - 30}
    assert len(await made.all_contacts(engine)) == 30
    assert len(await keys(engine)) == 30 * 2 * WORKERS - 30
    assert sum((await made.loads(engine)).values()) == 30


async def test_a_second_key_is_the_same_contact_for_ever(engine: AsyncEngine) -> None:
    """After the window, and without any: the same key again is the same contact, with another body it is refused."""
    await open_source(engine)
    await made.take(engine, [made.message("a", payload="hi"), made.message("b", payload="hi")])
    await made_ago(engine, timedelta(seconds=2 * HOUR))
    for window in (HOUR, None):
        await change_window(engine, window)
        again = [made.message("b", payload="hi"), made.message("b", payload="other"), made.message("b", payload="hi")]
        assert (await made.take(engine, again)).counts == {"repeated": 2, "parked_key_reuse": 1}
    assert len(await made.all_contacts(engine)) == 2


async def test_a_second_key_with_another_body_in_the_same_batch_is_refused(engine: AsyncEngine) -> None:
    """A key means one body, also where it was never the contact's own."""
    await open_source(engine)
    sent = [("a", "hi"), ("b", "hi"), ("b", "other"), ("b", "hi")]
    taken = await made.take(engine, [made.message(key, payload=payload) for key, payload in sent])
    assert taken.counts == {"active": 1, "repeated": 2, "parked_key_reuse": 1}


async def test_a_contact_is_closed_by_any_of_its_keys(engine: AsyncEngine) -> None:
    """A bot closes by the key it knows, in the same batch too; a closed contact counts for the window."""
    await open_source(engine)
    hi = [made.message(key, payload="hi") for key in ("a", "b")]
    close = made.closing(source=made.SOURCE, message_id="b")
    assert (await made.take(engine, [close, *hi])).counts == {"active": 1, "repeated": 1, "closed": 1}
    assert (await made.take(engine, [close])).counts == {"repeated": 1}
    assert (await made.take(engine, [made.message("c", payload="hi")])).counts == {"repeated": 1}
    assert [contact.status for contact in await made.all_contacts(engine)] == ["closed"]


@pytest.mark.parametrize(("age", "counts"), [(HOUR - 60, {"repeated": 1}), (HOUR + 1, {"active": 1})])
async def test_the_window_ends(engine: AsyncEngine, age: int, counts: dict[str, int]) -> None:
    """So long after the contact was made the same words are a new enquiry."""
    await open_source(engine)
    await made.take(engine, [made.message("a", payload="hi")])
    await made_ago(engine, timedelta(seconds=age))
    assert (await made.take(engine, [made.message("b", payload="hi")])).counts == counts


async def test_a_repeat_does_not_prolong_the_window(engine: AsyncEngine) -> None:
    """A bot that repeats itself all day gets a contact each window, not one for the whole day."""
    await open_source(engine)
    await made.take(engine, [made.message("a", payload="hi")])
    await made_ago(engine, timedelta(seconds=HOUR - 60))
    await made.take(engine, [made.message("b", payload="hi")])
    await change_window(engine, HOUR - 120)
    sent = [made.message("c", payload="hi"), made.message("d", payload="hi")]
    assert (await made.take(engine, sent)).counts == {"active": 1, "repeated": 1}
    assert (await made.take(engine, [made.message("e", payload="hi")])).counts == {"repeated": 1}


async def test_a_contact_far_in_the_future_holds_nobody_up(engine: AsyncEngine) -> None:
    """What a clock that was years ahead made is no repeat for years; a little ahead is another worker's clock."""
    await open_source(engine)
    await made.take(engine, [made.message("a", payload="hi")])
    await made_ago(engine, timedelta(seconds=-60))
    assert (await made.take(engine, [made.message("b", payload="hi")])).counts == {"repeated": 1}
    await change_window(engine, 30)
    assert (await made.take(engine, [made.message("c", payload="hi")])).counts == {"active": 1}


async def test_what_a_repeat_says_of_its_lead_is_kept(engine: AsyncEngine) -> None:
    """A bot that learns the phone meanwhile: the contact is the same, the blank is filled."""
    await open_source(engine)
    await made.take(engine, [made.message("a", payload="hi")])
    assert (await made.take(engine, [made.message("b", payload="hi", phone="1")])).counts == {"repeated": 1}
    async with reading(engine) as conn:
        assert await conn.scalar(sa.text("SELECT phone FROM leads")) == "1"


async def test_nested_as_deep_as_a_body_may_be(engine: AsyncEngine) -> None:
    """A payload of many levels is compared like any other."""
    await open_source(engine)
    deep = json.loads('{"a": [' * 80 + "1" + "]}" * 80)
    sent = [Incoming(made.body(payload=deep), key) for key in ("a", "b")]
    assert (await made.take(engine, sent)).counts == {"active": 1, "repeated": 1}
