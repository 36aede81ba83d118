"""Phone numbers and e-mail addresses of known leads, spelled as they would be today."""

import asyncio

from distribution import normalize
from distribution.store import outdated_normalizations
from distribution.store.database import Database
from distribution.store.outdated_normalizations import IDS_AT_ONCE, ROWS_AT_ONCE, Spelled, StoredDetails


async def renormalize(database: Database, phone_region: str, last: int) -> tuple[int, int]:
    """Spell a few of the leads after `last` anew that another rule spelled; each step is a short transaction.

    Returns the id up to which all are done, and how many were spelled; an id that is not above `last` ends the round.
    """
    async with database.reading() as conn:
        found = await outdated_normalizations.after(conn, last)
        highest = await outdated_normalizations.highest(conn)
    new = []
    for told in found:
        new.append(_spelled(told, phone_region))
        await asyncio.sleep(0)  # some of them take as long as a message does
    if new:
        await database.run(lambda conn: outdated_normalizations.write(conn, new))
    done = new[-1].id if len(new) == ROWS_AT_ONCE else min(last + IDS_AT_ONCE, highest)
    return done, len(new)


def _spelled(told: StoredDetails, phone_region: str) -> Spelled:
    phone, email = normalize.phone(told.phone, phone_region), normalize.email(told.email)
    return Spelled(told.id, told.phone, told.email, phone, email)
