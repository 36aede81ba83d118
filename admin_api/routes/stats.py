"""Current loads and backlog."""

from admin_api.http.auth import READERS
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation
from admin_api.models.stats import StatsShape, stats_shape
from distribution.admin.stats import stats

PATH = f"{PREFIX}/stats"


async def show_stats(call: ApiRequest) -> ApiResponse:
    """Every operator's load, every source's waiting contacts, and the totals of both; closed contacts are not counted.

    A contact's wait counts from its creation, even if it has been with an operator in between.
    """
    async with call.context.database.reading() as conn:
        return ApiResponse(200, stats_shape(await stats(conn)))


OPERATIONS = (Operation("GET", PATH, "Show loads and waiting contacts", show_stats, READERS, {200: StatsShape}),)
