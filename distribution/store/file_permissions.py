"""SQLite's files: leads' phone numbers stand in them, so what we make is its owner's alone."""

import os
from pathlib import Path

import structlog

from distribution.store import database_address

OTHERS = 0o077
ENTER = 0o011


def make_private(file: Path) -> None:
    """Make the file (0600) and the folders to it (0700) where they are missing; what is there keeps its mode.

    SQLite itself would make it readable by all. It gives the files beside it (-wal, -shm) the mode of the file.
    """
    for folder in reversed(file.parents):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def warn_of_readers(database_url: str) -> None:
    """Log where other users of the machine may read or write a file that was there before."""
    url = database_address.parse(database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return
    file = Path(url.database)
    if file.is_file() and file.stat().st_mode & OTHERS and file.absolute().parent.stat().st_mode & ENTER:
        mode = f"{file.stat().st_mode & 0o777:04o}"
        structlog.get_logger("store").warning("database_open_to_others", file=str(file), mode=mode, remedy="chmod 600")
