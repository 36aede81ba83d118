"""Asks the database whether it takes writes: one that is read-only, locked or full still answers reads."""

import os

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import new_id
from distribution.store.tables import write_probes

BYTES = 1024 * 1024
"""About what a batch of 500 writes; random, so that no database can press it small."""


async def write(conn: AsyncConnection) -> None:
    """Write as much as a batch does, to be committed alone: room given back before the commit was never asked for."""
    await conn.execute(sa.insert(write_probes).values(id=new_id(), body=os.urandom(BYTES)))


async def clear(conn: AsyncConnection) -> None:
    """Give the room back, also what a killed process left."""
    await conn.execute(sa.delete(write_probes))
