"""Settings, database and broker for one command; errors are printed in one line."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, TypeVar

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelNotFoundEntity
from sqlalchemy.exc import SQLAlchemyError

from distribution.allocation.assign_waiting import assign_all_waiting
from distribution.errors import DatabaseUnavailable, DistributionError, NotFound
from distribution.optimistic_locking import Actor, Edit
from distribution.settings import load
from distribution.startup import exit_with_error, start
from distribution.store import database_address
from distribution.store.database import Database
from distribution.store.db_errors import describe_error
from distribution.store.engine import create_engine, dispose
from distribution.terminal import escaped
from worker.broker.tolerant_decoding import tolerate_any_properties
from worker.settings import WorkerSettings

PROGRAM = "contacts-worker"
SHELL = "shell"
"""The role of a command line user in the audit."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CliSession:
    """A database to work on."""

    settings: WorkerSettings
    database: Database

    @property
    def place(self) -> str:
        """Where the database is, without secrets."""
        return database_address.location(self.settings.database_url.get_secret_value())

    @property
    def actor(self) -> Actor:
        """The user at the command line."""
        return Actor(SHELL, getpass.getuser()[:64])

    @property
    def edit(self) -> Edit:
        """A change by this user, without a version check."""
        return Edit(self.actor)

    async def serve(self, source_ids: Collection[int]) -> None:
        """Assign the waiting contacts of these sources, in as many transactions as needed."""
        await assign_all_waiting(self.database.run, self.database.random, source_ids)


def with_database(work: Callable[[CliSession], Coroutine[Any, Any, T]]) -> T:
    """Do work on the configured database, after checking that it exists and its schema fits."""
    settings = start(PROGRAM, WorkerSettings, makes=False)
    return run(_on_database(settings, work))


def looked_at(where: str) -> None:
    """Print on standard error what was looked at: with a wrong folder or address the output misleads."""
    sys.stderr.write(f"{PROGRAM}: looked at {escaped(where)}\n")


def broker_settings() -> WorkerSettings:
    """The settings of a command that needs no database."""
    try:
        return load(WorkerSettings)
    except DistributionError as wrong:
        exit_with_error(PROGRAM, str(wrong))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command; errors of its environment end it with one line."""
    tolerate_any_properties()
    try:
        return asyncio.run(work)
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        exit_with_error(PROGRAM, f"the database (DATABASE_URL): {describe_error(error)}")
    except DistributionError as wrong:
        exit_with_error(PROGRAM, str(wrong))
    except (AMQPError, ChannelInvalidStateError, ConnectionError, TimeoutError) as error:
        exit_with_error(PROGRAM, f"the broker (AMQP_URL): {str(error) or type(error).__name__}")


@contextmanager
def required(what: str) -> Iterator[None]:
    """Raise an error that says what to do if the broker does not have the object."""
    try:
        yield
    except ChannelNotFoundEntity:
        raise DistributionError(f"the broker has no {what}: start the worker once, it makes it") from None


async def _on_database(settings: WorkerSettings, work: Callable[[CliSession], Awaitable[T]]) -> T:
    # Counting years of contacts takes long, so statements have no time limit.
    engine = create_engine(settings.database_url.get_secret_value(), patient=True)
    session = CliSession(settings, Database(engine, SystemRandom()))
    try:
        return await work(session)
    except NotFound as missing:
        raise DistributionError(f"{missing} Looked at {session.place}") from None
    finally:
        await dispose(engine)
