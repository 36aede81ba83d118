"""A mistake in a statement of ours is no outage: waiting and trying again would hide it and help nobody."""

from collections.abc import Collection
from random import Random

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import DatabaseUnavailable
from distribution.intake.decoder import Decoder
from distribution.intake.parked_admin import replay_all
from distribution.optimistic_locking import Actor, Edit
from distribution.store.database import Database
from distribution.store.outbox import Kind
from distribution.store.transactions import transaction
from tests.factories import MAX_BYTES, SOURCE, all_parked, arrival, as_sent, make_source, message
from tests.integration.statement_mistakes import mistaken
from worker.consume.batch_committer import BatchCommitter
from worker.failpoints import no_failpoints
from worker.publish.lane_state_machine import ClaimRequest
from worker.publish.leased_rows import LeasedRows
from worker.publish.outbox_housekeeping import OutboxHousekeeping
from worker.readiness import Readiness

EDIT = Edit(Actor("admin"))
BROKEN_TRIGGER = (
    "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM function_that_is_gone(); END$$",
    "CREATE TRIGGER audit BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION audit()",
)


async def assign_nothing(source_ids: Collection[int]) -> None:
    """No contact waits here."""
    assert not source_ids


async def test_the_api_says_that_it_is_broken(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """500, not 503: the same request will not do better later."""
    await make_source(engine, {})
    body = {"source": SOURCE, "message_id": "m", "lead": {"external_id": "a"}}
    with mistaken(engine, "INSERT INTO contacts"):
        assert (await admin.post("/contacts", json=body)).status_code == 500
    with mistaken(engine, "SELECT"):
        assert (await admin.get("/operators")).status_code == 500


async def test_the_message_that_brings_it_out_is_parked(engine: AsyncEngine) -> None:
    """As after any other defect: logged with its traceback, to be replayed once it is fixed; the worker goes on."""
    await make_source(engine, {})
    with mistaken(engine, "INSERT INTO contacts"):
        await BatchCommitter(Database(engine, Random(1))).commit_messages([arrival(message("m"))], None)
    assert [row.code for row in await all_parked(engine)] == ["processing_failed"]


async def test_it_does_not_keep_other_messages_from_their_retry(engine: AsyncEngine) -> None:
    """A parked message that brings it out is parked again with its traceback in the log; nothing is raised."""
    database = Database(engine, Random(1))
    await BatchCommitter(database).commit_messages([arrival(as_sent(message("m")))], None)
    await make_source(engine, {})
    with mistaken(engine, "INSERT INTO contacts"):
        done = await replay_all(database, Decoder(MAX_BYTES), "unknown_source", EDIT, assign_nothing)
    assert done == (0, 1)
    assert [row.code for row in await all_parked(engine)] == ["processing_failed"]


async def test_the_relay_does_not_wait_for_the_database(engine: AsyncEngine) -> None:
    """It raises, which names the component in the log and ends the process."""
    database = Database(engine, Random(1))
    rows = LeasedRows(database, Readiness(), no_failpoints)
    with mistaken(engine, "SELECT"), pytest.raises(DBAPIError):
        await rows.claim(Kind.EVENT, ClaimRequest(10, 1_000, recent=False, began=0.0))
    with mistaken(engine, "SELECT"), pytest.raises(DBAPIError):
        await OutboxHousekeeping(database).count_retries(10)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_trigger_of_the_owners_that_is_wrong_is_an_outage(engine: AsyncEngine) -> None:
    """The messages are not at fault, and no release of ours can help: they wait until the trigger is corrected."""
    await make_source(engine, {})
    async with transaction(engine) as conn:
        for statement in BROKEN_TRIGGER:
            await conn.execute(sa.text(statement))
    with pytest.raises(DatabaseUnavailable):
        await BatchCommitter(Database(engine, Random(1))).commit_messages([arrival(message("m"))], None)
    assert await all_parked(engine) == []
