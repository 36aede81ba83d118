"""Assigns the waiting contacts that a change leaves to assign, in transactions of their own."""

from collections.abc import Collection

import structlog

from admin_api.http.app_context import Context
from distribution.allocation.assign_waiting import assign_all_waiting
from distribution.store.database import Work
from distribution.store.db_errors import describe_error


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
