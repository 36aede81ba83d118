"""How both processes start: settings, log, schema; what is wrong is said in one line, and the exit status is 2."""

import sys
from typing import NoReturn, TypeVar

from alembic.util import CommandError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from distribution import logs
from distribution.errors import DistributionError
from distribution.settings import SharedSettings, load
from distribution.store import schema
from distribution.store.failures import in_words

S = TypeVar("S", bound=SharedSettings)
WRONG = 2


def start(program: str, kind: type[S]) -> S:
    """Settings, once the log is set up and the schema is known to fit; else the process ends. No loop may run yet."""
    try:
        settings = load(kind)
        logs.configure(settings.logs_as_json, settings.log_level)
        _prepare_schema(settings)
    except DistributionError as wrong:
        give_up(program, str(wrong))
    return settings


def give_up(program: str, why: str) -> NoReturn:
    """End the process with one line on standard error."""
    sys.stderr.write(f"{program}: {' '.join(why.split())}\n")
    raise SystemExit(WRONG)


def _prepare_schema(settings: SharedSettings) -> None:
    url = settings.database_url.get_secret_value()
    try:
        schema.prepare(url, owned=settings.owns_schema)
    except (OSError, SQLAlchemyError, CommandError) as error:
        shown = make_url(url).render_as_string(hide_password=True)
        raise DistributionError(f"the database at {shown} (DATABASE_URL) cannot be used: {in_words(error)}") from error
