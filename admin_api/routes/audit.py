"""The audit."""

from admin_api.http.auth import READERS
from admin_api.http.cursor import uuid_after
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation
from admin_api.models.audit import AuditQuery, AuditShape, audit_shape
from admin_api.models.common import PageShape, page_shape
from distribution import audit
from distribution.audit import AuditFilter

PATH = f"{PREFIX}/audit"


async def list_audit(call: ApiRequest[None, None, AuditQuery]) -> ApiResponse:
    """Who changed what, the newest first; a page holds fewer than `limit` if the changes are large."""
    criteria = AuditFilter(**call.query.model_dump(exclude={"limit", "cursor"}))
    async with call.context.database.reading() as conn:
        page = await audit.page(conn, criteria, uuid_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, audit_shape))


OPERATIONS = (
    Operation("GET", PATH, "List changes", list_audit, READERS, {200: PageShape[AuditShape]}, query=AuditQuery),
)
