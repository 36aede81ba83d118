"""Leads with their contacts."""

from admin_api.http.auth import READERS
from admin_api.http.cursor import number_after
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation, number_key
from admin_api.models.common import PageShape, page_shape
from admin_api.models.leads import LeadInFull, LeadShape, LeadsQuery, lead_in_full, lead_shape
from distribution import normalize
from distribution.admin import leads
from distribution.admin.leads import LeadFilter

PATH = f"{PREFIX}/leads"
ONE = f"{PATH}/{{id}}"
KEY = number_key("lead")


async def list_leads(call: ApiRequest[None, None, LeadsQuery]) -> ApiResponse:
    """Leads, the newest first; payloads beyond a total of 1 MiB are omitted."""
    criteria = _criteria(call.query, call.context.decoder.phone_region)
    async with call.context.database.reading() as conn:
        page = await leads.page(conn, criteria, number_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, lead_shape))


async def show_lead(call: ApiRequest[int]) -> ApiResponse:
    """One lead, and the others that may be the same customer; payloads beyond a total of 1 MiB are omitted."""
    async with call.context.database.reading() as conn:
        lead = await leads.show(conn, call.key)
        duplicates = await leads.possible_duplicates(conn, lead.id, call.context.decoder.phone_region)
    return ApiResponse(200, lead_in_full(lead, duplicates))


def _criteria(query: LeadsQuery, phone_region: str) -> LeadFilter:
    # A + that was not encoded arrives as a space.
    number = f"+{query.phone[1:]}" if query.phone and query.phone.startswith(" ") else query.phone
    return LeadFilter(
        external_id=query.external_id,
        phone=query.phone,
        email=query.email,
        phones=normalize.phone_spellings(number, phone_region),
        emails=normalize.email_spellings(query.email),
    )


OPERATIONS = (
    Operation("GET", PATH, "List leads", list_leads, READERS, {200: PageShape[LeadShape]}, query=LeadsQuery),
    Operation("GET", ONE, "Show a lead", show_lead, READERS, {200: LeadInFull}, KEY),
)
