"""Normalizes phone numbers and e-mail addresses of stored leads by the current rule."""

import asyncio

from distribution import normalize
from distribution.store import outdated_normalizations
from distribution.store.database import Database
from distribution.store.outdated_normalizations import IDS_AT_ONCE, ROWS_AT_ONCE, NormalizedDetails


async def renormalize(database: Database, phone_region: str, last: int) -> tuple[int, int]:
    """Normalize again a few leads after id `last` that an older rule normalized; each step is a short transaction.

    Returns the id up to which all are done, and how many were normalized; an id not above `last` ends the round.
    """
    async with database.reading() as conn:
        outdated = await outdated_normalizations.after(conn, last)
        highest = await outdated_normalizations.highest(conn)
    new = []
    for lead_id, phone, email in outdated:
        normalized = normalize.phone(phone, phone_region), normalize.email(email)
        new.append(NormalizedDetails(lead_id, phone, email, *normalized))
        await asyncio.sleep(0)  # some take as long as a whole message
    if new:
        await database.run(lambda conn: outdated_normalizations.write(conn, new))
    done_up_to = new[-1].id if len(new) == ROWS_AT_ONCE else min(last + IDS_AT_ONCE, highest)
    return done_up_to, len(new)
