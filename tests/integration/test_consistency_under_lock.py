"""What was read before a lock is checked again under it: a change that commits in between misleads nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.admin import contacts, operators
from distribution.allocation import reassignment
from distribution.allocation.allocator import SERVE_LIMIT
from distribution.allocation.reassignment import MoveResult
from distribution.intake.batch import process_batch
from distribution.messages import Incoming
from distribution.optimistic_locking import Actor, Edit
from distribution.store.database import Database
from distribution.store.operator_pool import servable_sources
from distribution.store.transactions import reading, transaction
from tests.factories import (
    all_contacts,
    all_events,
    arrival,
    change_operator,
    loads,
    make_operator,
    make_source,
    message,
    messages,
    take,
)
from tests.polling import until_blocked

T = TypeVar("T")
EDIT = Edit(Actor("admin"))
Work = Callable[[AsyncConnection], Awaitable[T]]


async def crossing(engine: AsyncEngine, random: Random, first: Work[object], second: Work[object]) -> None:
    """Commit `first` after `second` has read what it reads before its locks, and before it has them."""
    async with transaction(engine) as conn:
        await first(conn)
        late = asyncio.create_task(Database(engine, random).run(second))
        await until_blocked(engine, late)
    await late


async def all_is_well(engine: AsyncEngine) -> bool:
    """Nobody waits beside a free place, and every load is the count of what the operator has."""
    await loads(engine)
    async with reading(engine) as conn:
        return await servable_sources(conn) == []


def change(operator_id: int, random: Random, **values: object) -> Work[object]:
    """Change an operator as an admin does."""
    return lambda conn: operators.change(conn, random, operator_id, values, EDIT)


def taken_in(random: Random, *batch: Incoming) -> Work[object]:
    """Take a batch in as a worker does."""
    return lambda conn: process_batch(conn, [arrival(one) for one in batch], random)


def closing(key: str) -> Incoming:
    """A close of a contact of the source web, as a bot sends it."""
    body = b'{"source": "web", "message_id": "%s"}' % key.encode()
    return Incoming(body, message_id=f"close {key}", type="contact.close")


async def shared_by_two(engine: AsyncEngine, *, active: bool) -> int:
    """Olga has one place, for two sources; returns her id."""
    olga = await make_operator(engine, "Olga", 1, active=active)
    await make_source(engine, {olga: 1}, "web")
    await make_source(engine, {olga: 1}, "fax")
    return olga


async def statuses(engine: AsyncEngine) -> list[str]:
    """Of every contact, the oldest first."""
    return [contact.status for contact in await all_contacts(engine)]


async def test_who_is_activated_again_keeps_her_contacts(engine: AsyncEngine, random: Random) -> None:
    """Her activation crosses the moving of her contacts: none goes from Olga to Olga, and who waits is served."""
    olga = await make_operator(engine, "Olga", 2)
    await make_source(engine, {olga: 1})
    await take(engine, [message(f"m{n}") for n in range(2)])
    async with transaction(engine) as conn:
        await operators.change(conn, random, olga, {"is_active": False, "max_active_contacts": 3}, EDIT)
    await take(engine, [message("late")])
    reassign: Work[object] = lambda conn: operators.reassign(conn, random, olga, EDIT)  # noqa: E731 - it has a type
    await crossing(engine, random, change(olga, random, is_active=True), reassign)
    assert [(c.status, c.sequence) for c in await all_contacts(engine)] == [("active", 1), ("active", 1), ("active", 2)]
    assert await all_is_well(engine)


async def test_moving_says_where_contacts_still_wait_beside_places(engine: AsyncEngine, random: Random) -> None:
    """One transaction serves so many; the sources of the rest are named, to be served in further ones."""
    olga, ivan = await make_operator(engine, "Olga", active=False), await make_operator(engine, "Ivan", 0)
    source_id = await make_source(engine, {olga: 1, ivan: 1})
    await take(engine, messages(f"m{n}" for n in range(SERVE_LIMIT + 1)))
    await change_operator(engine, ivan, max_active_contacts=SERVE_LIMIT + 1)
    async with transaction(engine) as conn:
        assert await reassignment.move_all(conn, random, olga) == MoveResult({}, frozenset({source_id}))
    async with transaction(engine) as conn:
        assert await reassignment.move_all(conn, random, olga) == MoveResult({}, frozenset())
    assert await all_is_well(engine)


async def test_nothing_moves_from_who_is_active(engine: AsyncEngine, random: Random) -> None:
    """Whoever asks for it: her contacts stay."""
    olga = await make_operator(engine, "Olga", 2)
    await make_source(engine, {olga: 1})
    await take(engine, [message("m")])
    async with transaction(engine) as conn:
        await reassignment.move_all(conn, random, olga)
    assert [event["type"] for event in await all_events(engine)] == ["contact.assigned"]


async def test_a_close_message_frees_a_place_for_all_sources_of_who_got_the_contact_meanwhile(
    engine: AsyncEngine, random: Random
) -> None:
    """The contact waited when the close came, and is Olga's when it has its locks: her other source is served."""
    olga = await shared_by_two(engine, active=False)
    await take(engine, [message("m", source="web"), message("n", source="fax")])
    await crossing(engine, random, change(olga, random, is_active=True), taken_in(random, closing("m")))
    assert await statuses(engine) == ["closed", "active"]
    assert await all_is_well(engine)


async def test_a_close_message_frees_a_place_of_a_contact_that_was_made_meanwhile(
    engine: AsyncEngine, random: Random
) -> None:
    """The contact did not exist when the close came: Olga's other source is served all the same."""
    await shared_by_two(engine, active=True)
    made = taken_in(random, message("m", source="web"), message("n", source="fax"))
    await crossing(engine, random, made, taken_in(random, closing("m")))
    assert await statuses(engine) == ["closed", "active"]
    assert await all_is_well(engine)


async def test_a_contact_made_and_closed_in_one_batch_is_no_race(engine: AsyncEngine, random: Random) -> None:
    """What the transaction itself did between its locks and the close is not taken for somebody else's change."""
    await shared_by_two(engine, active=True)
    async with transaction(engine) as conn:
        await taken_in(random, message("m", source="web"), closing("m"))(conn)
    assert await statuses(engine) == ["closed"]
    assert await all_is_well(engine)


async def test_an_admins_close_frees_a_place_for_all_sources_of_who_got_the_contact_meanwhile(
    engine: AsyncEngine, random: Random
) -> None:
    """The same over HTTP."""
    olga = await shared_by_two(engine, active=False)
    await take(engine, [message("m", source="web"), message("n", source="fax")])
    first = (await all_contacts(engine))[0].id
    await crossing(
        engine,
        random,
        change(olga, random, is_active=True),
        lambda conn: contacts.close(conn, random, first, None, EDIT),
    )
    assert await statuses(engine) == ["closed", "active"]
    assert await all_is_well(engine)


async def test_a_contact_given_by_hand_frees_the_place_it_got_meanwhile(engine: AsyncEngine, random: Random) -> None:
    """It waited when Ivan was chosen for it, and is Olga's when the locks are there: her other source is served."""
    olga, ivan = await shared_by_two(engine, active=False), await make_operator(engine, "Ivan", 1)
    await take(engine, [message("m", source="web"), message("n", source="fax")])
    first = (await all_contacts(engine))[0].id
    await crossing(
        engine,
        random,
        change(olga, random, is_active=True),
        lambda conn: contacts.assign(conn, random, first, ivan, EDIT, force=False),
    )
    assert [c.operator_id for c in await all_contacts(engine)] == [ivan, olga]
    assert await all_is_well(engine)
