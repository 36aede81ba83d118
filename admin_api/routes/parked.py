"""Messages that could not be processed."""

from functools import partial
from uuid import UUID

from admin_api.http.assign_after_change import assign_waiting_after
from admin_api.http.auth import ADMINS, READERS
from admin_api.http.cursor import uuid_after
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation, uuid_key
from admin_api.models.common import Nothing, PageShape, page_shape
from admin_api.models.parked import (
    CodeReplay,
    ParkedQuery,
    ParkedShape,
    ReplayedShape,
    ReplayShape,
    parked_shape,
)
from distribution.intake import parked_admin
from distribution.intake.parked_admin import ParkedFilter

PATH = f"{PREFIX}/parked"
ONE = f"{PATH}/{{id}}"
KEY = uuid_key("parked message")


async def list_parked(call: ApiRequest[None, None, ParkedQuery]) -> ApiResponse:
    """Parked messages, the newest first; a page holds fewer than `limit` if they are large."""
    criteria = ParkedFilter(**call.query.model_dump(exclude={"limit", "cursor"}))
    async with call.context.database.reading() as conn:
        page = await parked_admin.page(conn, criteria, uuid_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, parked_shape))


async def show_parked(call: ApiRequest[UUID]) -> ApiResponse:
    """One parked message."""
    async with call.context.database.reading() as conn:
        return ApiResponse(200, parked_shape(await parked_admin.show(conn, call.key)))


async def replay_parked(call: ApiRequest[UUID, Nothing]) -> ApiResponse:
    """Replay a parked message; it keeps its key, so it cannot create a second contact."""
    context, edit = call.context, call.edit()
    random, decoder = context.database.random, context.decoder
    result = await context.database.run(lambda conn: parked_admin.replay(conn, random, decoder, call.key, edit))
    await assign_waiting_after(context, result.unserved)
    async with context.database.reading() as conn:
        row = await parked_admin.show(conn, call.key)
    counts = ReplayShape(replayed=result.replayed, parked_again=result.parked_again)
    return ApiResponse(200, {**parked_shape(row), **counts})


async def replay_code(call: ApiRequest[None, CodeReplay]) -> ApiResponse:
    """Replay all parked messages with a code, the oldest first, in as many transactions as needed."""
    context, code = call.context, call.body.code.value
    replayed, parked_again = await parked_admin.replay_all(
        context.database, context.decoder, code, call.edit(), partial(assign_waiting_after, context)
    )
    return ApiResponse(200, ReplayShape(replayed=replayed, parked_again=parked_again))


async def drop_parked(call: ApiRequest[UUID]) -> ApiResponse:
    """Drop a parked message; it can still be read, with the state `dropped`."""
    await call.context.database.run(lambda conn: parked_admin.drop_message(conn, call.key, call.edit()))
    return ApiResponse(204)


OPERATIONS = (
    Operation(
        "GET", PATH, "List parked messages", list_parked, READERS, {200: PageShape[ParkedShape]}, query=ParkedQuery
    ),
    # Before the ones by id: paths are matched in this order.
    Operation(
        "POST",
        f"{PATH}/replay",
        "Replay all parked messages of a code",
        replay_code,
        ADMINS,
        {200: ReplayShape},
        body=CodeReplay,
    ),
    Operation("GET", ONE, "Show a parked message", show_parked, READERS, {200: ParkedShape}, KEY),
    Operation("DELETE", ONE, "Drop a parked message", drop_parked, ADMINS, {204: None}, KEY, problems=(409,)),
    Operation(
        "POST",
        f"{ONE}/replay",
        "Try a parked message again",
        replay_parked,
        ADMINS,
        {200: ReplayedShape},
        KEY,
        Nothing,
        problems=(409,),
        body_optional=True,
    ),
)
