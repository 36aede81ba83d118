"""SQLite's files hold leads' phone numbers: what we make is its owner's alone, what is there keeps its mode."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from distribution.store import schema
from distribution.store.engine import create_engine
from distribution.store.file_permissions import warn_of_readers
from distribution.store.transactions import transaction


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the shell is set to."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The rights on it."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
async def test_folder_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    """Also those that SQLite puts beside the file, while it is open."""
    file = tmp_path / "deep" / "data" / "contacts.db"
    engine = create_engine(f"sqlite+aiosqlite:///{file}")
    async with transaction(engine) as conn:
        await conn.exec_driver_sql("create table t (a)")
        assert {each.name: mode(each) for each in file.parent.iterdir()} == {
            "contacts.db": 0o600, "contacts.db-wal": 0o600, "contacts.db-shm": 0o600
        }  # fmt: skip
    await engine.dispose()
    assert [mode(file.parent), mode(file.parent.parent)] == [0o700, 0o700]


@pytest.mark.usefixtures("umask")
def test_the_migration_makes_them_so(tmp_path: Path) -> None:
    """As `alembic upgrade head` and the demo do."""
    file = tmp_path / "data" / "contacts.db"
    schema.upgrade(f"sqlite+aiosqlite:///{file}")
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)


def test_a_file_that_was_there_keeps_its_mode_and_is_warned_of(tmp_path: Path) -> None:
    """Somebody may have opened it on purpose; whoever did not reads of it in the log."""
    tmp_path.chmod(0o755)
    file = tmp_path / "contacts.db"
    file.touch(mode=0o644)
    file.chmod(0o644)
    create_engine(f"sqlite+aiosqlite:///{file}")
    with capture_logs() as log:
        warn_of_readers(f"sqlite+aiosqlite:///{file}")
    assert mode(file) == 0o644
    assert [(each["event"], each["mode"]) for each in log] == [("database_open_to_others", "0644")]


@pytest.mark.parametrize(("folder", "file_mode"), [(0o755, 0o600), (0o700, 0o644)])
def test_a_file_that_others_cannot_reach_is_not_warned_of(tmp_path: Path, folder: int, file_mode: int) -> None:
    """Its own mode or its folder's keeps them out."""
    tmp_path.chmod(folder)
    file = tmp_path / "contacts.db"
    file.touch()
    file.chmod(file_mode)
    with capture_logs() as log:
        warn_of_readers(f"sqlite+aiosqlite:///{file}")
    assert log == []
