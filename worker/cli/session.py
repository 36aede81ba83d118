"""Settings, database and broker for one command; what is wrong is said in one line."""

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
"""The role in the audit of somebody at the command line."""

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
    def who(self) -> Actor:
        """Who is at the command line."""
        return Actor(SHELL, getpass.getuser()[:64])

    @property
    def edit(self) -> Edit:
        """A change by whoever is at the command line, whatever was seen before."""
        return Edit(self.who)

    async def serve(self, source_ids: Collection[int]) -> None:
        """Assign the waiting contacts of these sources, in as many transactions as it takes."""
        await assign_all_waiting(self.database.run, self.database.random, source_ids)


def with_database(work: Callable[[CliSession], Coroutine[Any, Any, T]]) -> T:
    """Do work on the database of the settings, once it is there and its schema is known to fit."""
    settings = start(PROGRAM, WorkerSettings, makes=False)
    return run(_on_database(settings, work))


def looked_at(where: str) -> None:
    """Say on standard error what was looked at: a wrong folder or address gives good answers to the wrong question."""
    sys.stderr.write(f"{PROGRAM}: looked at {escaped(where)}\n")


def broker_settings() -> WorkerSettings:
    """The settings of a command that needs no database."""
    try:
        return load(WorkerSettings)
    except DistributionError as wrong:
        exit_with_error(PROGRAM, str(wrong))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end; what the world is at fault for ends it in one line."""
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
    """Say what to do if the broker does not have it."""
    try:
        yield
    except ChannelNotFoundEntity:
        raise DistributionError(f"the broker has no {what}: start the worker once, it makes it") from None


async def _on_database(settings: WorkerSettings, work: Callable[[CliSession], Awaitable[T]]) -> T:
    # A recount of years of contacts takes what it takes.
    engine = create_engine(settings.database_url.get_secret_value(), patient=True)
    tools = CliSession(settings, Database(engine, SystemRandom()))
    try:
        return await work(tools)
    except NotFound as missing:
        raise DistributionError(f"{missing} Looked at {tools.place}") from None
    finally:
        await dispose(engine)
