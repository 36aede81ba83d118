"""One RabbitMQ and one PostgreSQL for all test processes of a run.

The process that starts the test processes starts each service when a test first needs it, and stops it after the run.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from threading import Lock, Thread

from devservices.broker import broker
from devservices.errors import DevServiceError
from devservices.ports import LOOPBACK
from devservices.postgres import postgres
from devservices.service import Service

STARTERS: Mapping[str, Callable[[], AbstractContextManager[Service]]] = {
    "rabbitmq": broker,
    "postgres": partial(postgres, durable=False),
}

AddressOf = Callable[[str], str]
"""Returns the address of a service; the first call starts it."""


class SharedServices:
    """Starts services on request of this process and of its test processes."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._locks = {name: Lock() for name in STARTERS}
        self._addresses: dict[str, str] = {}
        self.key = secrets.token_bytes(16)
        self._listener = Listener((LOOPBACK, 0), authkey=self.key)
        self.port = int(self._listener.address[1])
        Thread(target=self._listen, daemon=True).start()

    def address_of(self, name: str) -> str:
        """The address of a service; the first call starts it."""
        with self._locks[name]:
            if name not in self._addresses:
                self._addresses[name] = self._stack.enter_context(STARTERS[name]()).url
            return self._addresses[name]

    def close(self) -> None:
        """Stop what was started."""
        self._listener.close()
        self._stack.close()

    def _listen(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                with suppress(AuthenticationError, EOFError):
                    Thread(target=self._respond, args=(self._listener.accept(),), daemon=True).start()

    def _respond(self, connection: Connection) -> None:
        with connection:
            try:
                connection.send(self.address_of(connection.recv()))
            except DevServiceError as error:
                connection.send(error)


def by_asking(port: int, key: bytes) -> AddressOf:
    """An `address_of` that asks the process listening on the port."""

    def address_of(name: str) -> str:
        with Client((LOOPBACK, port), authkey=key) as connection:
            connection.send(name)
            address: str | DevServiceError = connection.recv()
        if isinstance(address, DevServiceError):
            raise address
        return address

    return address_of
