"""A server as a container, on a host port that stays the same across restarts."""

import tarfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from devservices.docker_engine import ENGINE_ERRORS, LABEL, connect, have_image, is_local, prepare_testcontainers
from devservices.errors import ServiceStartError, ToolFailedError
from devservices.guard import Guard
from devservices.ports import LOOPBACK, free_ports
from devservices.progress import say

START_SECONDS = 120.0
_STOP_SECONDS = 60
_PAUSE = 0.1
_INNER_FOLDER = "/tmp"  # noqa: S108 - within the container


@dataclass(frozen=True)
class Recipe:
    """What to start: an image, the port its server listens on inside, and how to check that it is ready."""

    image: str
    inner_port: int
    ready: Callable[[str, int], bool]
    variables: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    other_ports: tuple[int, ...] = ()


@dataclass
class Container:
    """A container of a recipe; after `start`, `address` is its server's address, and `reached` gives the others."""

    recipe: Recipe
    client: DockerClient
    guard: Guard
    port: int = field(default_factory=lambda: free_ports(1)[0])
    address: tuple[str, int] = field(default=(LOOPBACK, 0), init=False)
    _docker_container: DockerContainer | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._others = dict(zip(self.recipe.other_ports, free_ports(len(self.recipe.other_ports)), strict=True))

    def reached(self, inner_port: int) -> str:
        """Host and port through which one of its other ports can be reached."""
        host, port = self.address
        return f"{host}:{self._others[inner_port] if port == self.port else inner_port}"

    def start(self) -> None:
        """Create or start the container and wait until its server is ready."""
        try:
            self._start()
        except ENGINE_ERRORS as error:
            raise ServiceStartError(f"a container of {self.recipe.image} did not start: {error}") from error
        self.address = self._wait_until_ready()

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
        result = self._container().exec_run([program, *arguments])
        printed = bytes(result.output).decode(errors="replace")
        if result.exit_code != 0:
            raise ToolFailedError(f"{program} {' '.join(arguments)}: {printed.strip()}")
        return printed

    def put(self, name: str, content: bytes) -> str:
        """Put a file into the container."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
        self._container().put_archive(_INNER_FOLDER, packed.getvalue())
        return f"{_INNER_FOLDER}/{name}"

    def close(self) -> None:
        """Close the connections to the engine; removing the container is up to the guard."""
        if self._docker_container is not None:
            self._docker_container.get_docker_client().client.close()

    def _start(self) -> None:
        if self._docker_container is not None:
            self._container().start()
            return
        prepare_testcontainers()
        self._docker_container = DockerContainer(self.recipe.image, docker_client_kw={"timeout": 2 * _STOP_SECONDS})
        self._docker_container.with_envs(**self.recipe.variables).with_kwargs(labels={LABEL: self.guard.mark})
        # Its type knows only port numbers; the engine also takes an interface; other machines need no access.
        ports = cast("dict[str, Any]", self._docker_container.ports)
        for inner, port in {self.recipe.inner_port: self.port, **self._others}.items():
            ports[f"{inner}/tcp"] = (LOOPBACK, port) if is_local(self.client) else port
        if self.recipe.arguments:
            self._docker_container.with_command(self.recipe.arguments)
        self._docker_container.start()

    def _wait_until_ready(self) -> tuple[str, int]:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for host, port in self._possible_addresses():
                if self.recipe.ready(host, port):
                    return host, port
            self._check_running()
            time.sleep(_PAUSE)
        raise ServiceStartError(f"a container of {self.recipe.image} did not answer within {START_SECONDS:.0f} s")

    def _check_running(self) -> None:
        container = self._container()
        container.reload()
        if container.status in ("exited", "dead"):
            words = container.logs(tail=3).decode(errors="replace").strip().replace("\n", " / ")
            raise ServiceStartError(f"a container of {self.recipe.image} ended while starting: {words}")

    def _possible_addresses(self) -> list[tuple[str, int]]:
        if not is_local(self.client):
            return [(self.client.host(), self.port)]
        # If this process runs in a container itself and only shares the engine's socket, the published port is not on
        # our loopback interface, but the container's own address may be reachable.
        networks = self._container().attrs["NetworkSettings"]["Networks"].values()
        own = [(network["IPAddress"], self.recipe.inner_port) for network in networks if network["IPAddress"]]
        return [(LOOPBACK, self.port), *own]

    def _container(self) -> Any:
        if self._docker_container is None:
            raise ServiceStartError("the container was not started yet")
        return self._docker_container.get_wrapped_container()


def start_container(service: str, recipe: Recipe, stack: ExitStack) -> Container | None:
    """Start one for as long as the stack is open; None, after a line that says why, if that fails."""
    client = connect()
    if client is None:
        return None
    stack.callback(client.client.close)
    if not have_image(service, client, recipe.image):
        return None
    container = Container(recipe, client, stack.enter_context(Guard(containers=True)))
    stack.callback(container.close)
    say(service, f"starting a container of {recipe.image} on port {container.port}")
    try:
        container.start()
    except ServiceStartError as error:
        say(service, f"{error}; going on without it")
        return None
    return container
