"""How both processes start: settings, log, schema; an error is printed in one line, and the exit status is 2."""

import sys
from typing import NoReturn

from distribution import logs
from distribution.errors import DistributionError
from distribution.settings import S, SharedSettings, load
from distribution.store import schema
from distribution.store.database_address import unusable
from distribution.store.file_permissions import warn_of_readers
from distribution.terminal import escaped

EXIT_STATUS = 2


def start(program: str, kind: type[S], *, makes: bool = True) -> S:
    """Returns the settings once the log is set up and the schema fits; else ends the process. No loop may run yet.

    `makes`: if DATABASE_URL is not set, create the database file or upgrade its schema.
    """
    try:
        settings = load(kind)
        logs.configure(settings.logs_as_json, settings.log_level)
        _prepare_schema(settings, owned=makes and settings.owns_schema)
        warn_of_readers(settings.database_url.get_secret_value())
    except DistributionError as error:
        exit_with_error(program, str(error))
    return settings


def exit_with_error(program: str, reason: str) -> NoReturn:
    """End the process with one line on standard error."""
    sys.stderr.write(f"{program}: {escaped(' '.join(reason.split()))}\n")
    raise SystemExit(EXIT_STATUS)


def _prepare_schema(settings: SharedSettings, *, owned: bool) -> None:
    url = settings.database_url.get_secret_value()
    try:
        schema.prepare(url, owned=owned)
    except DistributionError:
        raise
    except Exception as error:
        # Any exception: a driver may raise anything about a bad address, and a traceback would quote it.
        raise unusable(url, error) from None
