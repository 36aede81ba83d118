"""Leads with their contacts."""

from admin_api.auth import READERS
from admin_api.cursors import number_after
from admin_api.operations import PREFIX, Answer, Call, Operation, number_key
from admin_api.schemas import LeadsQuery, Query
from admin_api.shapes import LeadShape, PageShape
from admin_api.showing import lead_shape, page_shape
from distribution.services import leads
from distribution.services.leads import Wanted
from distribution.store.engine import reading

PATH = f"{PREFIX}/leads"
ONE = f"{PATH}/{{id}}"
KEY = number_key("lead")


async def list_leads(call: Call[None, None, LeadsQuery]) -> Answer:
    """Leads, the newest first."""
    wanted = Wanted(**call.query.model_dump(exclude={"limit", "cursor"}))
    async with reading(call.context.engine) as conn:
        page = await leads.page(conn, wanted, number_after(call.query.cursor), call.query.limit)
    return Answer(200, page_shape(page, lead_shape))


async def show_lead(call: Call[int, None, Query]) -> Answer:
    """One lead."""
    async with reading(call.context.engine) as conn:
        return Answer(200, lead_shape(await leads.show(conn, call.key)))


OPERATIONS = (
    Operation("GET", PATH, "List leads", list_leads, READERS, {200: PageShape[LeadShape]}, query=LeadsQuery),
    Operation("GET", ONE, "Show a lead", show_lead, READERS, {200: LeadShape}, (404,), KEY, query=Query),
)
