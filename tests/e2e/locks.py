"""Somebody else has SQLite's one write lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Hold the write lock, as a backup that was never finished or a person's open transaction would."""
    path = Path(str(sa.make_url(database_url).database))
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")
