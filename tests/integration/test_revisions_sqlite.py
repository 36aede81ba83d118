"""Revisions of a SQLite file: several upgrades at once, and ids that are never given out twice."""

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command

from distribution.store import schema
from tests.releases import REVISION_BEFORE, ROOT

NUMBERED = {
    "operators": "INSERT INTO operators (name, is_active, max_active_contacts, created_at)"
    " VALUES ('x', 1, 1, '2026-11-26')",
    "sources": "INSERT INTO sources (code, name, strategy, sticky, created_at)"
    " VALUES (hex(randomblob(8)), 'x', 'weighted_random', 0, '2026-11-26')",
    "leads": "INSERT INTO leads (external_id, created_at) VALUES (hex(randomblob(8)), '2026-11-26')",
}
CONTACT = (
    "INSERT INTO contacts"
    " (id, source_id, message_id, digest, lead_id, operator_id, status, payload, sequence, created_at)"
    " VALUES ('c', 1, 'm', x'00', 1, 1, 'active', 'null', 1, '2026-11-26')"
)
DECISION = (
    "INSERT INTO decisions (contact_id, sequence, event_id, type, operator_id, previous_operator_id)"
    " VALUES ('c', 1, 'e', 'contact.assigned', 1, 1)"
)
AUDITED = (
    "INSERT INTO audit_log (id, role, action, object_kind, object_id)"
    " VALUES ('a', 'admin', 'source.removed', 'source', '41'), ('b', 'admin', 'parked.dropped', 'parked', '0199-x')"
)
WEIGHT = "INSERT INTO source_operators (source_id, operator_id, weight) VALUES (1, 1, 5)"
MADE_ANEW = "0011"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of the release before, with two rows of each kind, a contact and its history."""
    made = tmp_path / "contacts.db"
    schema.upgrade(url_of(made), REVISION_BEFORE)
    with changing(made) as conn:
        for insert in NUMBERED.values():
            conn.execute(insert)
            conn.execute(insert)
        for insert in (CONTACT, DECISION, AUDITED, WEIGHT):
            conn.execute(insert)
    return made


def url_of(file: Path, query: str = "") -> str:
    """DATABASE_URL of a file."""
    return f"sqlite+aiosqlite:///{file}{query}"


@contextmanager
def changing(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that enforces foreign keys; committed at the end."""
    with closing(sqlite3.connect(file)) as conn, conn:
        conn.execute("PRAGMA foreign_keys=ON")
        yield conn


def next_after_deletion(file: Path, table: str) -> tuple[int, int]:
    """The id of the row that was last, deleted, and of the one that is made next."""
    with changing(file) as conn:
        last = conn.execute(NUMBERED[table]).lastrowid
        conn.execute(f"DELETE FROM {table} WHERE id = ?", (last,))  # noqa: S608 - our own names
        return last or 0, conn.execute(NUMBERED[table]).lastrowid or 0


@pytest.mark.parametrize("table", NUMBERED)
def test_no_id_is_given_out_twice(file: Path, table: str) -> None:
    """Nor after a restore, nor after the revision is taken back and put on again."""
    schema.upgrade(url_of(file))
    for _ in range(2):
        deleted, following = next_after_deletion(file, table)
        assert following > deleted
        restored = Path(shutil.copy(file, file.with_name("restored.db")))
        deleted, following = next_after_deletion(restored, table)
        assert following > deleted
        command.downgrade(schema.config(url_of(file)), REVISION_BEFORE)
        deleted, following = next_after_deletion(file, table)
        assert following > deleted
        schema.upgrade(url_of(file))


def test_ids_that_only_the_audit_knows_are_not_given_out_again(file: Path) -> None:
    """The row was deleted before the upgrade; the new one must not begin with the other's past."""
    schema.upgrade(url_of(file))
    with changing(file) as conn:
        assert conn.execute(NUMBERED["sources"]).lastrowid == 42


def test_tables_made_anew_hold_what_they_held(file: Path) -> None:
    """Rows, columns, indexes and checks are the same; weights and history still belong to their rows."""
    revisions = schema.known_revisions()
    schema.upgrade(url_of(file), revisions[revisions.index(MADE_ANEW) + 1])
    before, parts = rows_and_parts(file)
    schema.upgrade(url_of(file), MADE_ANEW)
    assert rows_and_parts(file) == (before, parts)
    with changing(file) as conn:
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            conn.execute("DELETE FROM operators WHERE id = 1")


def rows_and_parts(file: Path) -> tuple[dict[str, list[tuple[object, ...]]], set[str]]:
    """What the tables and those that refer to them hold, and how the tables and their indexes are written."""
    with changing(file) as conn:
        rows = {
            table: conn.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own names
            for table in (*NUMBERED, "contacts", "source_operators", "decisions")
        }
        written = conn.execute("SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return rows, {sql.replace('"', "").replace(" AUTOINCREMENT", "") for table, sql in written if table in NUMBERED}


async def test_several_upgrades_wait_for_whoever_has_the_file(file: Path) -> None:
    """However long that takes, each says so in one line, and all go through."""
    environment = os.environ | {"DATABASE_URL": url_of(file, "?timeout=0.1")}
    with closing(sqlite3.connect(file)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        upgrades = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "alembic", "upgrade", "head", cwd=ROOT, env=environment,
                stderr=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]  # fmt: skip
        said = []
        for upgrade in upgrades:
            assert upgrade.stderr is not None
            said.append((await upgrade.stderr.readline()).decode())
        holder.rollback()
    rest = [(await upgrade.communicate())[1].decode() for upgrade in upgrades]
    assert [upgrade.returncode for upgrade in upgrades] == [0, 0], rest
    assert all("waiting for it (database is locked)" in line for line in said), said
    assert not any("Traceback" in lines for lines in rest)
