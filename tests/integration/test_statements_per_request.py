"""What one request asks of the database: what it has locked or read it does not lock or read again."""

from collections.abc import Sequence

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import all_contacts, make_operator, make_source, message, take
from tests.statement_counts import Statement, statements

CONTACT = "SELECT contacts.id, contacts.source_id,"
LOCKS = "SELECT sources.id, sources.code, sources.strategy, sources.sticky, sources.dedupe_window"
HISTORY = "SELECT decisions.contact_id,"


def sent_times(sent: Sequence[Statement], beginning: str) -> int:
    """How many of the statements begin so."""
    return sum(statement.text.startswith(beginning) for statement in sent)


async def test_closing_reads_the_contact_no_oftener_than_its_locks_take(
    admin: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    """Where it stands before it is locked and after, then whole; and once for the response."""
    await make_source(engine, {await make_operator(engine, limit=1): 1})
    await take(engine, [message("m")])
    [contact] = await all_contacts(engine)
    with statements(engine) as sent:
        assert (await admin.post(f"/contacts/{contact.id}/close")).status_code == 200
    assert (sent_times(sent, CONTACT), sent_times(sent, LOCKS)) == (4, 1)


async def test_giving_by_hand_locks_once(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The contact is read before and under the locks; whether it took force is known without its history."""
    olga, ivan = await make_operator(engine, "Olga", 1), await make_operator(engine, "Ivan", 1)
    await make_source(engine, {olga: 1, ivan: 0})
    await take(engine, [message("m")])
    [contact] = await all_contacts(engine)
    with statements(engine) as sent:
        answer = await admin.post(f"/contacts/{contact.id}/assign", json={"operator_id": ivan})
    assert answer.status_code == 200
    assert (sent_times(sent, CONTACT), sent_times(sent, LOCKS)) == (3, 1)
    assert sent_times(sent, HISTORY) == 1  # of the response


async def test_changing_an_operator_locks_once(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """The waiting contact is assigned under the locks that the change took, by what it changed."""
    olga = await make_operator(engine, "Olga", 0)
    await make_source(engine, {olga: 1})
    await take(engine, [message("m")])
    with statements(engine) as sent:
        answer = await admin.patch(f"/operators/{olga}", json={"max_active_contacts": 1})
    assert answer.json()["load"] == 1
    assert sent_times(sent, LOCKS) == 1
