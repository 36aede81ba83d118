"""SQLite's files: they hold leads' phone numbers, so only the owner may access those that we create."""

import os
from pathlib import Path

import structlog

from distribution.store import database_address

OTHERS = 0o077
ENTER = 0o011


def make_private(file: Path) -> None:
    """Create the file (0600) and its folders (0700) if they are missing; existing ones keep their mode.

    SQLite itself would make it readable by all. It gives the files beside it (-wal, -shm) the same mode.
    """
    for folder in reversed(file.parents):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def warn_of_readers(database_url: str) -> None:
    """Log a warning if other users of the machine may read or write an existing file."""
    file = database_address.database_file(database_address.parse(database_url))
    if file and file.is_file() and file.stat().st_mode & OTHERS and file.absolute().parent.stat().st_mode & ENTER:
        mode = f"{file.stat().st_mode & 0o777:04o}"
        structlog.get_logger("store").warning("database_open_to_others", file=str(file), mode=mode, remedy="chmod 600")
