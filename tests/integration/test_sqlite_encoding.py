"""A SQLite file whose text is UTF-16: somebody made it so, and it holds everything as well."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from distribution.store import schema
from distribution.store.engine import create_engine
from tests import factories as made

NAMES = ("\U0001f600", "é", "e\u0301", "\uffee", "z", "\u4e2d")
"""In another order as UTF-16 than as UTF-8."""


async def test_a_file_in_utf16(tmp_path: Path) -> None:
    """Each message becomes one contact, sent again the same one; emoji come out as they went in."""
    path = tmp_path / "utf16.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript("PRAGMA encoding = 'UTF-16'; CREATE TABLE first (id); DROP TABLE first")
    url = f"sqlite+aiosqlite:///{path}"
    await asyncio.to_thread(schema.upgrade, url)
    engine = create_engine(url)
    await made.make_source(engine, {await made.make_operator(engine): 1})
    batch = [made.message(f"key-{name}", f"lead-{name}", payload={"text": name}) for name in NAMES]
    assert (await made.take(engine, batch)).counts == {"active": len(NAMES)}
    assert (await made.take(engine, batch)).counts == {"repeated": len(NAMES)}
    events = await made.all_events(engine)
    assert [event["data"]["payload"]["text"] for event in events] == list(NAMES)
    await engine.dispose()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA encoding").fetchone()[0].startswith("UTF-16")
