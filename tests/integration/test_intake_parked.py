"""Messages that cannot become contacts are kept whole beside their neighbours that can."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import Incoming
from distribution.store.tables import contacts, parked_messages, sources
from distribution.store.transactions import transaction
from tests import factories as made

BROKEN = {
    "invalid_json": Incoming(b"\xff\x00 not json", message_id="p-1"),
    "invalid_message": Incoming(b'{"source": "telegram-bot"}', message_id="p-2"),
    "missing_message_id": Incoming(made.body()),
    "unknown_type": Incoming(made.body(), message_id="p-4", type="contact.\0open"),
    "unknown_source": made.message("p-5", source="no-such-source"),
    "too_large": Incoming(made.body().ljust(made.MAX_BYTES + 1), message_id="p-6"),
    "key_reuse": made.message("good-1", payload="something else"),
}


async def open_source(engine: AsyncEngine) -> int:
    """The usual source, with an operator."""
    return await made.make_source(engine, {await made.make_operator(engine): 1})


async def test_every_code_in_one_batch_with_good_messages(engine: AsyncEngine, random: Random) -> None:
    """One message of each kind that can go wrong is parked under its code; the good ones between them go through."""
    await open_source(engine)
    good = [made.message(f"good-{i}") for i in range(1, 9)]
    batch = [m for pair in zip(good, BROKEN.values(), strict=False) for m in pair] + good[len(BROKEN) :]
    taken = await made.take(engine, batch, random)
    assert taken.counts == {"active": 8} | {f"parked_{code}": 1 for code in BROKEN}
    kept = {p.code: p for p in await made.all_parked(engine)}
    assert set(kept) == set(BROKEN)
    for code, message in BROKEN.items():
        row = kept[code]
        assert (row.body, row.message_id, row.state, row.attempts) == (message.body, message.message_id, "rejected", 1)
        assert row.detail
        assert "\n" not in row.detail
    assert [c.message_id for c in await made.all_contacts(engine)] == [m.message_id for m in good]
    assert len(await made.all_events(engine)) == 8


async def test_a_parked_message_names_its_source_where_it_is_known(engine: AsyncEngine) -> None:
    """An admin can look for what is parked of one source."""
    await open_source(engine)
    await made.take(engine, [made.message("good-1"), *BROKEN.values()])
    named = {p.code: p.source for p in await made.all_parked(engine) if p.source is not None}
    assert named == {
        "missing_message_id": "telegram-bot", "key_reuse": "telegram-bot", "unknown_source": "no-such-source",
    }  # fmt: skip


async def test_a_message_that_comes_again_is_parked_once(engine: AsyncEngine) -> None:
    """However often a broken message is sent, there is one row that counts how often it was tried."""
    await open_source(engine)
    batch = [replace(message, redelivered=True) for message in BROKEN.values()]
    await made.take(engine, [made.message("good-1"), *batch])
    await made.take(engine, batch[::-1])
    await made.take(engine, [*batch, *batch])
    assert {p.code: p.attempts for p in await made.all_parked(engine)} == dict.fromkeys(BROKEN, 4)


async def test_a_key_used_again_with_another_body_changes_nothing(engine: AsyncEngine) -> None:
    """The first body stays the contact; the other is parked, before or after the first is committed."""
    await open_source(engine)
    first, other = made.message("k", payload="first"), made.message("k", payload="other")
    assert (await made.take(engine, [first, other])).counts == {"active": 1, "parked_key_reuse": 1}
    assert (await made.take(engine, [other, first])).counts == {"parked_key_reuse": 1, "repeated": 1}
    assert [c.payload for c in await made.all_contacts(engine)] == ['"first"']
    (row,) = await made.all_parked(engine)
    assert (row.code, row.attempts, row.body) == ("key_reuse", 2, other.body)
    assert "'k'" in row.detail


async def test_two_messages_that_differ_are_two_rows(engine: AsyncEngine) -> None:
    """The same bytes under another key, type or content type are another message; other bytes are too."""
    raw = b"broken"
    batch = [
        Incoming(raw),
        Incoming(raw, message_id="1"),
        Incoming(raw, message_id="2"),
        Incoming(raw, message_id="1", type="contact.submit"),
        Incoming(raw, message_id="1", content_type="application/json"),
        Incoming(raw + b" ", message_id="1"),
    ]
    await made.take(engine, batch)
    assert [p.attempts for p in await made.all_parked(engine)] == [1] * len(batch)


async def test_a_message_that_was_dealt_with_is_parked_anew(engine: AsyncEngine) -> None:
    """After a person dropped or replayed it, the same message is a new entry, not a lost one."""
    for state in ("dropped", "replayed"):
        await made.take(engine, [Incoming(b"broken", message_id="k")])
        async with transaction(engine) as conn:
            await conn.execute(sa.update(parked_messages).values(state=state))
    await made.take(engine, [Incoming(b"broken", message_id="k")])
    assert [p.attempts for p in await made.all_parked(engine)] == [1, 1, 1]


async def test_the_reason_is_the_newest(engine: AsyncEngine) -> None:
    """A message that fails for another reason the next time shows the reason to mend now."""
    source_id = await open_source(engine)
    await made.take(engine, [made.message("k", payload="first")])
    reused = made.message("k", payload="other")
    await made.take(engine, [reused])
    async with transaction(engine) as conn:
        await conn.execute(sa.update(sources).where(sources.c.id == source_id).values(code="renamed"))
    await made.take(engine, [reused])
    (row,) = await made.all_parked(engine)
    assert (row.code, row.attempts) == ("unknown_source", 2)
    assert "telegram-bot" in row.detail


async def test_a_message_waits_for_its_source_to_be_made(engine: AsyncEngine) -> None:
    """Sent again once the source exists, what was parked as unknown_source becomes its contact."""
    early = made.message("k")
    assert (await made.take(engine, [early])).counts == {"parked_unknown_source": 1}
    await open_source(engine)
    assert (await made.take(engine, [early])).counts == {"active": 1}


async def test_a_deleted_source_is_unknown(engine: AsyncEngine) -> None:
    """Deleting a source takes its weights along and parks what still comes for it."""
    source_id = await open_source(engine)
    async with transaction(engine) as conn:
        await conn.execute(sa.delete(sources).where(sources.c.id == source_id))
    assert (await made.take(engine, [made.message("k")])).counts == {"parked_unknown_source": 1}


async def test_properties_are_kept_whatever_they_hold(engine: AsyncEngine) -> None:
    """Properties of every kind a broker can carry are stored as JSON that any reader takes."""
    odd: dict[str, object] = {
        "headers": {"bytes": b"\x00\xff", "when": datetime(2026, 11, 23, tzinfo=UTC), "sum": Decimal("1.50"),
                    "nul": "a\0b", "list": [1, None, {"deep": True}]},
        "priority": 5, "routing_key": "contact.submit.ж",
    }  # fmt: skip
    await made.take(engine, [Incoming(b"broken", message_id="k", properties=odd)])
    (row,) = await made.all_parked(engine)
    kept = json.loads(row.properties)
    assert kept["priority"] == 5
    assert kept["routing_key"] == "contact.submit.ж"
    assert kept["headers"]["bytes"] == {"base64": "AP8="}
    assert kept["headers"]["list"] == [1, None, {"deep": True}]
    assert kept["headers"]["nul"] == "a\0b"


async def test_numbers_that_json_does_not_know_are_kept_as_text(engine: AsyncEngine) -> None:
    """NaN and Infinity in a header come out as text that says so, never as broken JSON."""
    headers = {"headers": {"x": float("nan"), "y": float("-inf")}}
    await made.take(engine, [Incoming(b"broken", message_id="k", properties=headers)])
    (row,) = await made.all_parked(engine)
    unknown: list[str] = []
    kept = str(json.loads(row.properties, parse_constant=unknown.append))
    assert (unknown, "nan" in kept, "-inf" in kept) == ([], True, True)


async def test_a_key_too_long_for_its_column_is_parked_whole(engine: AsyncEngine) -> None:
    """A message whose key cannot be stored is kept without the key, and keeps nobody else from going through."""
    await open_source(engine)
    batch = [made.message("x" * 300), made.message("a\0b"), made.message("good")]
    assert (await made.take(engine, batch)).counts == {"parked_missing_message_id": 2, "active": 1}
    assert {p.message_id for p in await made.all_parked(engine)} == {None}
    async with transaction(engine) as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(contacts)) == 1
