"""Changes: who asks for one, and the waiting contacts that it lets be assigned."""

from collections.abc import Collection
from typing import Any

import structlog

from admin_api.http.app_context import Context
from admin_api.http.etag import versions_seen
from admin_api.http.operation import ApiRequest
from distribution.allocation.assign_waiting import assign_all_waiting
from distribution.optimistic_locking import Actor, Edit
from distribution.store.database import Work
from distribution.store.db_errors import describe_error


def edit_of(call: ApiRequest[Any, Any, Any]) -> Edit:
    """Who asks, and which versions of the object they have seen."""
    if call.identity is None:
        raise LookupError("an operation that is open to everybody cannot say who asks")
    return Edit(Actor(call.identity.role.value, call.identity.name), versions_seen(call.headers))


async def change_and_serve(context: Context, work: Work[frozenset[int]]) -> None:
    """Do work that returns which sources it could not serve to the end, and serve them in further transactions."""
    await serve_further(context, await context.database.run(work))


async def serve_further(context: Context, source_ids: Collection[int]) -> None:
    """Assign the waiting contacts of these sources, in as many transactions as it takes.

    The change is committed by then: if this fails, it is left to the next change of these sources.
    """
    database = context.database
    try:
        await assign_all_waiting(database.run, database.random, source_ids)
    except Exception as error:
        structlog.get_logger("admin_api").warning(
            "waiting_contacts_not_assigned", sources=source_ids, reason=describe_error(error)
        )
