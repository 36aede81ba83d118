"""A server as a container, on a port of this machine that stays the same over its restarts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from devservices.engine import ENGINE_ERRORS, LABEL, is_local, prepare_testcontainers
from devservices.errors import ServiceStartError, ToolFailedError
from devservices.guard import Guard
from devservices.ports import LOOPBACK, free_ports

START_SECONDS = 120.0
_STOP_SECONDS = 60
_PAUSE = 0.1


@dataclass
class Container:
    """A container of `image` whose server listens on `inner_port`; after `start`, `address` says where it answers."""

    image: str
    client: DockerClient
    inner_port: int
    variables: dict[str, str]
    ready: Callable[[str, int], bool]
    guard: Guard
    arguments: list[str] = field(default_factory=list)
    port: int = field(default_factory=lambda: free_ports(1)[0])
    address: tuple[str, int] = field(default=(LOOPBACK, 0), init=False)
    _made: DockerContainer | None = field(default=None, init=False)

    def start(self) -> None:
        """Make or start the container and wait until its server answers."""
        try:
            self._start()
        except ENGINE_ERRORS as error:
            raise ServiceStartError(f"a container of {self.image} did not start: {error}") from error
        self.address = self._wait_for_answer()

    def stop(self) -> None:
        """Let it shut down in order, and wait."""
        self._container().stop(timeout=_STOP_SECONDS)

    def kill(self) -> None:
        """End it at once."""
        self._container().kill()
        self._container().wait()

    def freeze(self) -> None:
        """Suspend all its processes."""
        self._container().pause()

    def thaw(self) -> None:
        """Let them go on."""
        self._container().unpause()

    def run(self, program: str, *arguments: str) -> str:
        """Run a tool in the container."""
        done = self._container().exec_run([program, *arguments])
        printed = bytes(done.output).decode(errors="replace")
        if done.exit_code != 0:
            raise ToolFailedError(f"{program} {' '.join(arguments)}: {printed.strip()}")
        return printed

    def _start(self) -> None:
        if self._made is not None:
            self._container().start()
            return
        prepare_testcontainers()
        self._made = DockerContainer(self.image, docker_client_kw={"timeout": 2 * _STOP_SECONDS})
        self._made.with_envs(**self.variables).with_kwargs(labels={LABEL: self.guard.mark})
        # Its type knows only port numbers; the engine below takes an interface too, and other machines need not get in.
        ports = cast("dict[str, Any]", self._made.ports)
        ports[f"{self.inner_port}/tcp"] = (LOOPBACK, self.port) if is_local(self.client) else self.port
        if self.arguments:
            self._made.with_command(self.arguments)
        self._made.start()

    def _wait_for_answer(self) -> tuple[str, int]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for host, port in self._candidates():
                if self.ready(host, port):
                    return host, port
            self._check_running()
            time.sleep(_PAUSE)
        raise ServiceStartError(f"a container of {self.image} did not answer within {START_SECONDS:.0f} s")

    def _check_running(self) -> None:
        container = self._container()
        container.reload()
        if container.status in ("exited", "dead"):
            words = container.logs(tail=3).decode(errors="replace").strip().replace("\n", " / ")
            raise ServiceStartError(f"a container of {self.image} ended while starting: {words}")

    def _candidates(self) -> list[tuple[str, int]]:
        if not is_local(self.client):
            return [(self.client.host(), self.port)]
        # Where we run in a container ourselves and only share the engine's socket, the published port is not on our
        # loopback interface, but the container's own address may be within reach.
        networks = self._container().attrs["NetworkSettings"]["Networks"].values()
        own = [(network["IPAddress"], self.inner_port) for network in networks if network["IPAddress"]]
        return [(LOOPBACK, self.port), *own]

    def _container(self) -> Any:
        if self._made is None:
            raise ServiceStartError("the container was not started yet")
        return self._made.get_wrapped_container()
