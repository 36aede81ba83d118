"""What callers get: the address of a service, and control over its server if it was started here."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from devservices.errors import NotControllableError

Kind = Literal["url", "docker", "program"]


class Server(Protocol):
    """A server that was started here. Its address and data survive stop, kill and start."""

    def start(self) -> None:
        """Start it and wait until it is ready."""

    def stop(self) -> None:
        """Shut it down in order, and wait."""

    def kill(self) -> None:
        """End it at once, as a power failure would."""

    def freeze(self) -> None:
        """Suspend it: connections stay open, but it does not respond."""

    def thaw(self) -> None:
        """Resume it."""

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its tools beside it; returns its output."""

    def put(self, name: str, content: bytes) -> str:
        """Put a file beside it; returns the path under which its tools can read it."""


@dataclass
class Service:
    """An address, how the service was obtained, and the server behind it."""

    url: str = field(repr=False)  # it may hold a password, and failing tests print their values
    kind: Kind
    server: Server | None = None

    def start(self) -> None:
        """Start the server again after `stop` or `kill`."""
        self._own().start()

    def stop(self) -> None:
        """Shut the server down in order."""
        self._own().stop()

    def restart(self) -> None:
        """Shut the server down in order and start it again."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End the server at once."""
        self._own().kill()

    def freeze(self) -> None:
        """Suspend the server."""
        self._own().freeze()

    def thaw(self) -> None:
        """Resume the server."""
        self._own().thaw()

    def _own(self) -> Server:
        if self.server is None:
            raise NotControllableError("this service was given by its address and is not ours to control")
        return self.server
