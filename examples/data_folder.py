"""What `make run` keeps between its runs: a database and a broker's folder, which are kept or set aside together."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devservices.errors import DevServiceError


class InUseError(DevServiceError):
    """Another `make run` is using the same folder."""


@dataclass(frozen=True)
class Kept:
    """The folder with both."""

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
        """Lock the folder for this `make run`; InUseError if another one holds it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "run.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InUseError(f"another `make run` is using {self.folder}: stop it first") from None
            yield

    def set_aside(self, now: datetime) -> Path | None:
        """Move both into a new folder beside them; returns that folder, or None if there was nothing to move."""
        existing = [path for path in (*self.folder.glob(f"{self.database.name}*"), self.broker) if path.exists()]
        if not existing:
            return None
        earlier = self.folder / f"before-{now:%Y%m%d-%H%M%S}"
        earlier.mkdir(mode=0o700)
        for path in existing:
            path.rename(earlier / path.name)
        return earlier
