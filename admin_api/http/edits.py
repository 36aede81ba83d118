"""Changes: who makes them, and the waiting contacts that can be assigned after them."""

from collections.abc import Collection
from typing import Any

import structlog

from admin_api.http.app_context import Context
from admin_api.http.etag import parse_if_match
from admin_api.http.operation import ApiRequest
from distribution.allocation.assign_waiting import assign_all_waiting
from distribution.optimistic_locking import Actor, Edit
from distribution.store.database import Work
from distribution.store.db_errors import describe_error


def edit_of(call: ApiRequest[Any, Any, Any]) -> Edit:
    """Returns who makes the change, and which versions of the object they expect."""
    if call.identity is None:
        raise LookupError("an operation that needs no token has no actor")
    return Edit(Actor(call.identity.role.value, call.identity.name), parse_if_match(call.headers))


async def change_and_assign(context: Context, work: Work[frozenset[int]]) -> None:
    """Do work that returns the sources with contacts left to assign; assign those in further transactions."""
    await assign_waiting_after(context, await context.database.run(work))


async def assign_waiting_after(context: Context, source_ids: Collection[int]) -> None:
    """Assign the waiting contacts of these sources, in as many transactions as it takes.

    The change is committed already, so a failure is only logged: the next change of these sources assigns them.
    """
    database = context.database
    try:
        await assign_all_waiting(database.run, database.random, source_ids)
    except Exception as error:
        structlog.get_logger("admin_api").warning(
            "waiting_contacts_not_assigned", sources=source_ids, reason=describe_error(error)
        )
