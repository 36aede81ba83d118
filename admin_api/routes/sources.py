"""Sources and the weights of their operators."""

from collections.abc import Mapping

from admin_api.http.app_context import Context
from admin_api.http.assign_after_change import change_and_assign
from admin_api.http.auth import ADMINS, READERS
from admin_api.http.cursor import number_after
from admin_api.http.etag import tagged
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation, number_key
from admin_api.models.common import PageQuery, PageShape, page_shape
from admin_api.models.sources import (
    NewSource,
    NewWeights,
    SourceChange,
    SourceShape,
    WeightsShape,
    source_shape,
    weights_shape,
)
from distribution.admin import sources
from distribution.store.sources import SourceRow

PATH = f"{PREFIX}/sources"
ONE = f"{PATH}/{{id}}"
WEIGHTS = f"{ONE}/operators"
KEY = number_key("source")


async def create_source(call: ApiRequest[None, NewSource]) -> ApiResponse:
    """Create a source."""
    values, edit = call.body.model_dump() | {"name": call.body.name or call.body.code}, call.edit()
    row = await call.context.database.run(lambda conn: sources.create(conn, values, edit))
    return _response(row, 201, {"Location": f"{PATH}/{row.id}"})


async def list_sources(call: ApiRequest[None, None, PageQuery]) -> ApiResponse:
    """Sources, ordered by id."""
    async with call.context.database.reading() as conn:
        page = await sources.page(conn, number_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, source_shape))


async def show_source(call: ApiRequest[int]) -> ApiResponse:
    """One source."""
    async with call.context.database.reading() as conn:
        return _response(await sources.show(conn, call.key))


async def change_source(call: ApiRequest[int, SourceChange]) -> ApiResponse:
    """Change a source; the change applies from the next contact on."""
    values, edit = call.body.model_dump(exclude_unset=True), call.edit()
    return _response(await call.context.database.run(lambda conn: sources.change(conn, call.key, values, edit)))


async def delete_source(call: ApiRequest[int]) -> ApiResponse:
    """Delete a source that never had a contact."""
    await call.context.database.run(lambda conn: sources.delete(conn, call.key, call.edit()))
    return ApiResponse(204)


async def show_weights(call: ApiRequest[int]) -> ApiResponse:
    """The weights of a source, ordered by operator id."""
    return await _weights_response(call.context, call.key)


async def replace_weights(call: ApiRequest[int, NewWeights]) -> ApiResponse:
    """Replace the weights of a source, and assign waiting contacts to the places this frees; returns what GET does."""
    weights = [(row.operator_id, row.weight) for row in call.body.operators]
    random, edit = call.context.database.random, call.edit()
    await change_and_assign(call.context, lambda conn: sources.replace_weights(conn, random, call.key, weights, edit))
    return await _weights_response(call.context, call.key)


async def _weights_response(context: Context, source_id: int) -> ApiResponse:
    async with context.database.reading() as conn:
        rows = await sources.weights(conn, source_id)
    return ApiResponse(200, weights_shape(rows), tagged(sources.weights_version(source_id, rows)))


def _response(row: SourceRow, status: int = 200, headers: Mapping[str, str] | None = None) -> ApiResponse:
    return ApiResponse(status, source_shape(row), {**(headers or {}), **tagged(sources.version(row))})


OPERATIONS = (
    Operation(
        "POST",
        PATH,
        "Make a source",
        create_source,
        ADMINS,
        {201: SourceShape},
        body=NewSource,
        problems=(409,),
        tagged=True,
    ),
    Operation("GET", PATH, "List sources", list_sources, READERS, {200: PageShape[SourceShape]}, query=PageQuery),
    Operation("GET", ONE, "Show a source", show_source, READERS, {200: SourceShape}, KEY, tagged=True),
    Operation(
        "PATCH", ONE, "Change a source", change_source, ADMINS, {200: SourceShape}, KEY, SourceChange, tagged=True
    ),
    Operation("DELETE", ONE, "Remove a source", delete_source, ADMINS, {204: None}, KEY, problems=(409,), tagged=True),
    Operation("GET", WEIGHTS, "Show a source's weights", show_weights, READERS, {200: WeightsShape}, KEY, tagged=True),
    Operation(
        "PUT",
        WEIGHTS,
        "Replace a source's weights",
        replace_weights,
        ADMINS,
        {200: WeightsShape},
        KEY,
        NewWeights,
        tagged=True,
    ),
)
