"""The services as child processes: upgrades the schema, then starts the worker and the admin API."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from examples.subprocesses import Child, ChildError, Children, children, wait_until

DEFAULT_PORTS = {"ADMIN_API_PORT": "8000", "WORKER_HEALTH_PORT": "8001"}
_SCHEMA_SECONDS = 60.0
_READY_SECONDS = 60.0
_ANY_HOST = ("", "0.0.0.0", "::")  # noqa: S104 - recognised here, not listened on


@dataclass(frozen=True)
class Stack:
    """Addresses of the services, and their processes."""

    api_url: str
    worker_url: str
    children: Children


@contextmanager
def stack(environment: Mapping[str, str], logs: Path | None = None) -> Iterator[Stack]:
    """Start the services with these settings, wait until both are ready, and stop them after the block."""
    with children(environment, logs) as started:
        started.finish(started.start("schema", "alembic", "upgrade", "head"), _SCHEMA_SECONDS)
        worker, api = started.start("worker", "worker"), started.start("admin_api", "admin_api")
        services = Stack(api_url(environment), _worker_url(environment), started)
        _wait_ready(worker, services.worker_url)
        _wait_ready(api, services.api_url)
        yield services


def new_token() -> str:
    """A random token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def api_url(environment: Mapping[str, str]) -> str:
    """The admin API's future address; for a host that means every interface, the loopback address."""
    host = environment.get("ADMIN_API_HOST", "")
    host = "127.0.0.1" if host in _ANY_HOST else host
    return f"http://{f'[{host}]' if ':' in host else host}:{_port(environment, 'ADMIN_API_PORT')}"


def _worker_url(environment: Mapping[str, str]) -> str:
    return f"http://127.0.0.1:{_port(environment, 'WORKER_HEALTH_PORT')}"


def _port(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or DEFAULT_PORTS[name]


def _wait_ready(child: Child, url: str) -> None:
    def ready() -> bool:
        child.check()
        return _responds(f"{url}/readyz")

    if not wait_until(ready, _READY_SECONDS):
        raise ChildError(f"{child.name} was not ready at {url}/readyz within {_READY_SECONDS:.0f} s{child.tail()}")


def _responds(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2, trust_env=False).is_success
    except httpx2.TransportError:
        return False
