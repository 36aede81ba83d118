"""Current loads and backlog, and the audit."""

from admin_api.http.auth import READERS
from admin_api.http.cursor import uuid_after
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation
from admin_api.models.common import PageShape, Query, page_shape
from admin_api.models.reports import AuditQuery, AuditShape, StatsShape, audit_shape, stats_shape
from distribution import audit
from distribution.admin.stats import stats
from distribution.audit import AuditFilter

STATS = f"{PREFIX}/stats"
AUDIT = f"{PREFIX}/audit"


async def show_stats(call: ApiRequest[None, None, Query]) -> ApiResponse:
    """Every operator's load, every source's waiting contacts, and the totals of both; closed contacts are not counted.

    A contact's wait counts from its creation, even if it has been with an operator in between.
    """
    async with call.context.database.reading() as conn:
        return ApiResponse(200, stats_shape(await stats(conn)))


async def list_audit(call: ApiRequest[None, None, AuditQuery]) -> ApiResponse:
    """Who changed what, the newest first; a page holds fewer than `limit` if the changes are large."""
    wanted = AuditFilter(**call.query.model_dump(exclude={"limit", "cursor"}))
    async with call.context.database.reading() as conn:
        page = await audit.page(conn, wanted, uuid_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, audit_shape))


OPERATIONS = (
    Operation("GET", STATS, "Show loads and waiting contacts", show_stats, READERS, {200: StatsShape}, query=Query),
    Operation("GET", AUDIT, "List changes", list_audit, READERS, {200: PageShape[AuditShape]}, query=AuditQuery),
)
