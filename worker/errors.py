"""Why work on the database is retried later."""

from distribution.errors import DistributionError


class DatabaseUnavailable(DistributionError):
    """The database did not do its part; nothing that was asked is at fault."""

    code = "database_unavailable"


class LockedByOthers(DatabaseUnavailable):
    """Another transaction holds a lock for longer than was waited; what needs other locks may go through.

    `held`: whether one transaction holds it long; False: many want it in turn; None: it is not known.
    """

    code = "locked"

    def __init__(self, message: str, held: bool | None = None) -> None:
        super().__init__(message)
        self.held = held
