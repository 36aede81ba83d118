"""The Docker engine, as far as the services for development need it."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]  # docker has no types
from requests.exceptions import RequestException
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.docker_client import DockerClient, get_docker_host

from devservices.progress import say

LABEL = "contact-distribution.dev-service"
ENGINE_ERRORS = (DockerException, RequestException, OSError)
_DEFAULT_HOST = "unix:///var/run/docker.sock"
_RESPONSE_SECONDS = 10
_PULL_SECONDS = 180
_ATTEMPTS = 4
_ROOT = Path(__file__).resolve().parent.parent


def connect() -> DockerClient | None:
    """A client of the engine, or None if no engine responds."""
    if not _listens(get_docker_host() or _DEFAULT_HOST):
        return None
    try:
        client = DockerClient(timeout=_RESPONSE_SECONDS)
    except ENGINE_ERRORS:
        return None
    return client if _responds(client) else None


def prepare_testcontainers() -> None:
    """Our guard ends containers, so the reaper container and its image are not needed; ports are published."""
    testcontainers_config.ryuk_disabled = True
    if testcontainers_config.connection_mode_override is None:
        testcontainers_config.connection_mode_override = ConnectionMode.docker_host


def is_local(client: DockerClient) -> bool:
    """Whether the engine runs on this machine, so that ports published on the loopback interface can be reached."""
    return str(client.client.api.base_url).startswith(("http+docker://localhost", "http+unix://", "npipe://"))


def have_image(service: str, client: DockerClient, image: str) -> bool:
    """Whether the image is present, or could be pulled within _PULL_SECONDS."""
    try:
        client.client.images.get(image)
        return True
    except ImageNotFound:
        say(service, f"pulling the image {image}")
    try:
        # In a separate process, because a pull cannot be interrupted from within.
        command = [sys.executable, "-m", "devservices.pull", image]
        result = subprocess.run(command, check=False, cwd=_ROOT, capture_output=True, text=True, timeout=_PULL_SECONDS)
    except subprocess.TimeoutExpired:
        say(
            service,
            f"a Docker engine answers, but {image} was not pulled within {_PULL_SECONDS} s; going on without it",
        )
        return False
    if result.returncode != 0:
        say(service, f"a Docker engine answers, but {image} is not there and cannot be pulled; going on without it")
    return result.returncode == 0


def remove_containers(mark: str) -> None:
    """Remove the container that carries the mark, running or not, with its volumes."""
    client = connect()
    if client is None:
        return
    # The process that started it may have died after the request; then the container appears a moment later.
    for _ in range(_ATTEMPTS):
        containers = client.client.containers.list(all=True, filters={"label": f"{LABEL}={mark}"})
        for container in containers:
            with contextlib.suppress(*ENGINE_ERRORS):
                container.remove(force=True, v=True)
        if containers:
            return
        time.sleep(1)


def _listens(address: str) -> bool:
    # If no engine listens, the library leaves its socket open, and a ResourceWarning appears much later, elsewhere.
    path = address.removeprefix("unix://")
    if path == address:
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_RESPONSE_SECONDS)
        return probe.connect_ex(path) == 0


def _responds(client: DockerClient) -> bool:
    try:
        return bool(client.client.ping())
    except ENGINE_ERRORS:
        client.client.close()
        return False
