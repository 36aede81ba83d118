"""Operators."""

from collections.abc import Mapping

from admin_api.http.app_context import Context
from admin_api.http.assign_after_change import assign_waiting_after, change_and_assign
from admin_api.http.auth import ADMINS, READERS
from admin_api.http.cursor import number_after
from admin_api.http.etag import tagged
from admin_api.http.operation import PREFIX, ApiRequest, ApiResponse, Operation, number_key
from admin_api.http.problems import invalid
from admin_api.models.common import PageQuery, PageShape, page_shape
from admin_api.models.operators import NewOperator, OperatorChange, OperatorChangeQuery, OperatorShape, operator_shape
from distribution.admin import operators
from distribution.optimistic_locking import Edit
from distribution.store.operators import OperatorRow

PATH = f"{PREFIX}/operators"
ONE = f"{PATH}/{{id}}"
KEY = number_key("operator")


async def create_operator(call: ApiRequest[None, NewOperator]) -> ApiResponse:
    """Create an operator."""
    body, edit = call.body, call.edit()
    row = await call.context.database.run(
        lambda conn: operators.create(conn, body.name, body.is_active, body.max_active_contacts, edit)
    )
    return _response(row, 201, {"Location": f"{PATH}/{row.id}"})


async def list_operators(call: ApiRequest[None, None, PageQuery]) -> ApiResponse:
    """Operators, ordered by id."""
    async with call.context.database.reading() as conn:
        page = await operators.page(conn, number_after(call.query.cursor), call.query.limit)
    return ApiResponse(200, page_shape(page, operator_shape))


async def show_operator(call: ApiRequest[int]) -> ApiResponse:
    """One operator and its load."""
    return await _current(call.context, call.key)


async def change_operator(call: ApiRequest[int, OperatorChange, OperatorChangeQuery]) -> ApiResponse:
    """Change an operator, and assign waiting contacts to the places this frees; the response has the load afterwards.

    With `reassign` its contacts go to others or back to waiting, and keep their age.
    """
    values = call.body.model_dump(exclude_unset=True)
    if call.query.reassign and values.get("is_active") is not False:
        raise invalid([("is_active", "must be false to move the operator's contacts away")])
    random, edit = call.context.database.random, call.edit()
    await change_and_assign(call.context, lambda conn: operators.change(conn, random, call.key, values, edit))
    if call.query.reassign:
        await _reassign(call.context, call.key, edit)
    return await _current(call.context, call.key)


async def delete_operator(call: ApiRequest[int]) -> ApiResponse:
    """Delete an operator that never had a contact."""
    await call.context.database.run(lambda conn: operators.delete(conn, call.key, call.edit()))
    return ApiResponse(204)


async def _reassign(context: Context, operator_id: int, edit: Edit) -> None:
    unserved: set[int] = set()
    has_moved, random = True, context.database.random
    while has_moved:
        result = await context.database.run(lambda conn: operators.reassign(conn, random, operator_id, edit))
        has_moved = result.contacts > 0
        unserved |= result.unserved
    await assign_waiting_after(context, unserved)


async def _current(context: Context, operator_id: int) -> ApiResponse:
    async with context.database.reading() as conn:
        return _response(await operators.show(conn, operator_id))


def _response(row: OperatorRow, status: int = 200, headers: Mapping[str, str] | None = None) -> ApiResponse:
    return ApiResponse(status, operator_shape(row), {**(headers or {}), **tagged(operators.version(row))})


OPERATIONS = (
    Operation(
        "POST", PATH, "Make an operator", create_operator, ADMINS, {201: OperatorShape}, body=NewOperator, tagged=True
    ),
    Operation("GET", PATH, "List operators", list_operators, READERS, {200: PageShape[OperatorShape]}, query=PageQuery),
    Operation("GET", ONE, "Show an operator", show_operator, READERS, {200: OperatorShape}, KEY, tagged=True),
    Operation(
        "PATCH",
        ONE,
        "Change an operator",
        change_operator,
        ADMINS,
        {200: OperatorShape},
        KEY,
        OperatorChange,
        OperatorChangeQuery,
        tagged=True,
    ),
    Operation(
        "DELETE", ONE, "Remove an operator", delete_operator, ADMINS, {204: None}, KEY, problems=(409,), tagged=True
    ),
)
