"""`contacts-worker parked …`: messages that could not be processed."""

from typing import Annotated
from uuid import UUID

import orjson
import typer

from distribution.errors import DistributionError, ParkedCode
from distribution.ids import isoformat
from distribution.intake import parked_admin, parked_properties
from distribution.intake.parked_admin import ParkedFilter
from distribution.store.parked_messages import STATES, Parked
from distribution.terminal import escaped, escaped_json, say
from worker.broker.connection import open_connection
from worker.cli.choices import list_words, one_of
from worker.cli.session import CliSession, looked_at, with_database
from worker.consume.batch_committer import BatchCommitter
from worker.consume.dead_letter_channel import DeadLetterChannel, dead_letters

PARKED_AGAIN = 1

app = typer.Typer(no_args_is_help=True, help="Messages that could not be processed.")


@app.command("list")
def show_list(
    state: Annotated[str | None, typer.Option(help=list_words(STATES), callback=one_of(STATES))] = None,
    code: Annotated[ParkedCode | None, typer.Option(help="why they are parked")] = None,
    source: Annotated[str | None, typer.Option(help="code of their source")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """A line each, the newest first."""
    parked_filter = ParkedFilter(state, code.value if code else None, source)

    async def read(session: CliSession) -> tuple[str, list[str]]:
        # Page by page, since one is short if the messages are large; of each only its line is kept.
        lines: list[str] = []
        before: UUID | None = None
        async with session.database.reading() as conn:
            while len(lines) < limit:
                page = await parked_admin.page(conn, parked_filter, before, limit - len(lines))
                lines += [_line(row) for row in page.items]
                before = page.last
                if before is None:
                    break
        return session.place, lines

    place, lines = with_database(read)
    looked_at(place)
    for line in lines:
        say(escaped(line))


def _line(row: Parked) -> str:
    key = f"{parked_admin.shown_source(row) or '-'}/{row.message_id or '-'}"
    return f"{row.id} {isoformat(row.created_at)} {row.state:8} {row.code:18} {key}: {row.detail}"


@app.command()
def show(parked_id: UUID) -> None:
    """One of them, with its body and properties, as JSON."""

    async def read(session: CliSession) -> Parked:
        async with session.database.reading() as conn:
            return await parked_admin.show(conn, parked_id)

    row = with_database(read)
    shown = {
        "id": str(row.id),
        "state": row.state,
        "code": row.code,
        "detail": row.detail,
        "source": parked_admin.shown_source(row),
        "message_id": row.message_id,
        "body": row.body.decode(errors="backslashreplace"),
        **({} if row.body_size is None else {"body_size": row.body_size}),
        "properties": parked_properties.shown(row.properties),
        "attempts": row.attempts,
        "created_at": isoformat(row.created_at),
    }
    say(escaped_json(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def replay(
    parked_id: Annotated[UUID | None, typer.Argument(help="one of them")] = None,
    code: Annotated[ParkedCode | None, typer.Option(help="all of a code")] = None,
) -> None:
    """Try one again, or all of a code. A replay keeps the key, so it cannot make a second contact.

    Exit status 1 if something was parked again.
    """
    if (parked_id is None) == (code is None):
        raise typer.BadParameter("give the id of one message, or --code for all of a code")
    through, again = with_database(lambda session: _replay(session, parked_id, code))
    say(f"{through} went through, {again} parked again")
    raise typer.Exit(PARKED_AGAIN if again else 0)


@app.command()
def drop(parked_id: UUID) -> None:
    """Give one up; it stays on record as dropped, and in the audit."""

    async def drop_one(session: CliSession) -> None:
        await session.database.run(lambda conn: parked_admin.drop_message(conn, parked_id, session.edit))

    with_database(drop_one)
    say(f"{parked_id} dropped")


@app.command()
def collect() -> None:
    """Bring what the broker gave up (queue contacts.dead) here, to be listed, shown, replayed or dropped.

    Each message leaves the queue once it is in the database. A running worker does the same automatically.
    """
    say(f"{with_database(_collect)} messages collected")


async def _replay(session: CliSession, parked_id: UUID | None, code: ParkedCode | None) -> tuple[int, int]:
    database, decoder = session.database, session.settings.decoder
    if parked_id is not None:
        one = await database.run(lambda c: parked_admin.replay(c, database.random, decoder, parked_id, session.edit))
        await session.serve(one.unserved)
        return one.replayed, one.parked_again
    if code is None:
        raise DistributionError("neither a message nor a code was given")
    return await parked_admin.replay_all(database, decoder, code.value, session.edit, session.serve)


async def _collect(session: CliSession) -> int:
    settings, collected = session.settings, 0
    batches = BatchCommitter(session.database)
    async with await open_connection(settings.brokers, "collect") as connection:
        channel = await DeadLetterChannel(connection.underlay, settings.whole_bytes).opened()
        while deliveries := await channel.take(settings.topology.dead):
            await batches.commit_all(dead_letters(deliveries, settings), None)
            await channel.settle(deliveries)
            collected += len(deliveries)
    return collected
