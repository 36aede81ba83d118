"""What `make run` keeps between its runs: a database and a broker's folder, which stay together and go together."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devservices.errors import DevServiceError


class InUseError(DevServiceError):
    """Another `make run` is at work on the same folder."""


@dataclass(frozen=True)
class Kept:
    """The folder that both are in."""

    folder: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "contacts.db"

    @property
    def broker(self) -> Path:
        """The folder of the RabbitMQ node."""
        return self.folder / "broker"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one `make run` at a time; InUseError if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "run.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InUseError(f"another `make run` is using {self.folder}: stop it first") from None
            yield

    def set_aside(self, now: datetime) -> Path | None:
        """Move both out of the way, into a folder beside them; returns which one, if there was anything."""
        there = [path for path in (*self.folder.glob(f"{self.database.name}*"), self.broker) if path.exists()]
        if not there:
            return None
        aside = self.folder / f"before-{now:%Y%m%d-%H%M%S}"
        aside.mkdir(mode=0o700)
        for path in there:
            path.rename(aside / path.name)
        return aside
