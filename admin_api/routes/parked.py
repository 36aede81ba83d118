"""Messages that could not be processed."""

from uuid import UUID

from admin_api.auth import READERS
from admin_api.cursors import uuid_after
from admin_api.operations import PREFIX, Answer, Call, Operation, uuid_key
from admin_api.schemas import ParkedQuery, Query
from admin_api.shapes import PageShape, ParkedShape
from admin_api.showing import page_shape, parked_shape
from distribution.services import parked
from distribution.services.parked import Wanted
from distribution.store.engine import reading

PATH = f"{PREFIX}/parked"
ONE = f"{PATH}/{{id}}"
KEY = uuid_key("parked message")


async def list_parked(call: Call[None, None, ParkedQuery]) -> Answer:
    """Parked messages, the newest first."""
    wanted = Wanted(**call.query.model_dump(exclude={"limit", "cursor"}))
    async with reading(call.context.engine) as conn:
        page = await parked.page(conn, wanted, uuid_after(call.query.cursor), call.query.limit)
    return Answer(200, page_shape(page, parked_shape))


async def show_parked(call: Call[UUID, None, Query]) -> Answer:
    """One parked message."""
    async with reading(call.context.engine) as conn:
        return Answer(200, parked_shape(await parked.show(conn, call.key)))


OPERATIONS = (
    Operation(
        "GET", PATH, "List parked messages", list_parked, READERS, {200: PageShape[ParkedShape]}, query=ParkedQuery
    ),
    Operation("GET", ONE, "Show a parked message", show_parked, READERS, {200: ParkedShape}, (404,), KEY, query=Query),
)
