"""`contacts-worker parked …`: messages that could not be processed."""

from typing import Annotated
from uuid import UUID

import orjson
import typer

from distribution.errors import DistributionError, MessageRejected, ParkedCode
from distribution.ids import isoformat
from distribution.services import parked as parked_messages
from distribution.services.park import park
from distribution.services.parked import Wanted
from distribution.services.process import Arrival, failed_alone, understood
from distribution.services.replay import Replayed
from distribution.store.engine import reading
from distribution.store.parked import Parked
from distribution.terminal import escaped, escaped_json
from worker.cli.tools import Tools, channel, with_database
from worker.consumer import incoming
from worker.topology import DELIVERY_LIMIT, Topology

PARKED_AGAIN = 1
GIVEN_UP = (
    f"The broker gave it up after {DELIVERY_LIMIT} deliveries: each time the worker that handled it ended. Find out"
    " why before you replay it."
)

app = typer.Typer(no_args_is_help=True, help="Messages that could not be processed.")


@app.command("list")
def show_list(
    state: Annotated[str | None, typer.Option(help="deferred, rejected, replayed or dropped")] = None,
    code: Annotated[ParkedCode | None, typer.Option(help="why they are parked")] = None,
    source: Annotated[str | None, typer.Option(help="code of their source")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """A line each, the newest first."""
    wanted = Wanted(state, code.value if code else None, source)

    async def read(tools: Tools) -> list[Parked]:
        async with reading(tools.engine) as conn:
            return list((await parked_messages.page(conn, wanted, None, limit)).items)

    for row in with_database(read):
        key = f"{row.source or '-'}/{row.message_id or '-'}"
        line = f"{row.id} {isoformat(row.created_at)} {row.state:8} {row.code:18} {key}: {row.detail}"
        typer.echo(escaped(line))


@app.command()
def show(parked_id: UUID) -> None:
    """One of them, with its body and properties, as JSON."""

    async def read(tools: Tools) -> Parked:
        async with reading(tools.engine) as conn:
            return await parked_messages.show(conn, parked_id)

    row = with_database(read)
    shown = {
        "id": str(row.id),
        "state": row.state,
        "code": row.code,
        "detail": row.detail,
        "source": row.source,
        "message_id": row.message_id,
        "body": row.body.decode(errors="backslashreplace"),
        "properties": orjson.loads(row.properties),
        "attempts": row.attempts,
        "created_at": isoformat(row.created_at),
    }
    typer.echo(escaped_json(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()))


@app.command()
def replay(
    parked_id: Annotated[UUID | None, typer.Argument(help="one of them")] = None,
    code: Annotated[ParkedCode | None, typer.Option(help="all of a code")] = None,
) -> None:
    """Try one again, or all of a code. A replay keeps the key, so it cannot make a second contact.

    Exit status 1 where something was parked again.
    """
    if (parked_id is None) == (code is None):
        raise typer.BadParameter("give the id of one message, or --code for all of a code")
    through, again = with_database(lambda tools: _replay(tools, parked_id, code))
    typer.echo(f"{through} went through, {again} parked again")
    raise typer.Exit(PARKED_AGAIN if again else 0)


@app.command()
def drop(parked_id: UUID) -> None:
    """Give one up; it stays on record as dropped, and in the audit."""

    async def give_up(tools: Tools) -> None:
        await tools.change(lambda conn: parked_messages.give_up(conn, parked_id, tools.edit))

    with_database(give_up)
    typer.echo(f"{parked_id} dropped")


@app.command()
def collect() -> None:
    """Bring what the broker gave up (queue contacts.dead) here, to be listed, shown, replayed or dropped.

    Each message leaves the queue once it is in the database.
    """
    typer.echo(f"{with_database(_collect)} messages collected")


async def _replay(tools: Tools, parked_id: UUID | None, code: ParkedCode | None) -> tuple[int, int]:
    limits = tools.settings.max_message_bytes, tools.settings.default_phone_region
    if parked_id is not None:
        one = await tools.change(lambda c: parked_messages.replay(c, tools.random, parked_id, *limits, tools.edit))
        await tools.serve(one.unserved)
        return one.replayed, one.parked_again
    if code is None:
        raise DistributionError("neither a message nor a code was given")
    through, again, after = 0, 0, None
    while True:
        some = await _replay_some(tools, code, after)
        through, again, after = through + some.replayed, again + some.parked_again, some.last
        if after is None:
            return through, again


async def _replay_some(tools: Tools, code: ParkedCode, after: UUID | None) -> Replayed:
    limits = tools.settings.max_message_bytes, tools.settings.default_phone_region
    some = await tools.change(
        lambda conn: parked_messages.replay_some(conn, tools.random, code.value, after, *limits, tools.edit)
    )
    await tools.serve(some.unserved)
    return some


async def _collect(tools: Tools) -> int:
    settings, collected = tools.settings, 0
    dead = Topology(settings.broker_prefix, settings.event_log_max_age).dead
    async with channel(settings, "collect") as broker:
        while (delivery := await broker.basic_get(dead)).delivery_tag is not None:
            arrival = understood(incoming(delivery), settings.max_message_bytes, settings.default_phone_region)
            await tools.change(lambda conn, arrival=arrival: park(conn, [(arrival.message, _given_up(arrival))]))  # type: ignore[misc]  # mypy does not see a default's type
            await broker.basic_ack(delivery.delivery_tag)
            collected += 1
    return collected


def _given_up(arrival: Arrival) -> MessageRejected:
    if isinstance(arrival.command, MessageRejected):
        return arrival.command
    source = failed_alone(RuntimeError(), arrival).source
    return MessageRejected(ParkedCode.PROCESSING_FAILED, GIVEN_UP, source=source)
