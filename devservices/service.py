"""What callers get: the address of a service, and control over its server where it was started here."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from devservices.errors import NotControllableError

Kind = Literal["url", "docker", "program"]


class Server(Protocol):
    """A server that was started here. Address and data stay the same over stop, kill and start."""

    def start(self) -> None:
        """Start it and wait until it answers."""

    def stop(self) -> None:
        """Let it shut down in order, and wait."""

    def kill(self) -> None:
        """End it at once, as a power failure would."""

    def freeze(self) -> None:
        """Suspend it: connections stay open, nothing answers."""

    def thaw(self) -> None:
        """Let it go on."""

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its tools beside it and answer what it printed."""

    def put(self, name: str, content: bytes) -> str:
        """Put a file beside it; returns the path under which its tools can read it."""


@dataclass
class Service:
    """An address, how it was come by, and the server behind it."""

    url: str = field(repr=False)  # it may hold a password, and tests show what they work with
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
        """Let the server go on."""
        self._own().thaw()

    def _own(self) -> Server:
        if self.server is None:
            raise NotControllableError("this service was given by its address and is not ours to control")
        return self.server
