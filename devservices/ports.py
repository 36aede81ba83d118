"""Free ports on the loopback interface."""

import secrets
import socket
from contextlib import ExitStack

from devservices.errors import ServiceStartError

LOOPBACK = "127.0.0.1"
_LOWEST = 20_000
# Below the range the kernel takes outgoing ports from. A client that keeps trying a stopped server on a port inside
# that range can be given this very port as its own, connect to itself, and keep the server from ever coming back.
_HIGHEST = 32_000
_TRIES = 200


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(_TRIES):
            if len(ports) == count:
                return ports
            port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
            if _hold(held, port):
                ports.append(port)
    raise ServiceStartError(f"no {count} free ports between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")


def is_free(port: int) -> bool:
    """Whether the port is free now."""
    with ExitStack() as held:
        return _hold(held, port)


def _hold(held: ExitStack, port: int) -> bool:
    taken = held.enter_context(socket.socket())
    try:
        taken.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def is_open(host: str, port: int, timeout: float = 2.0) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def speaks_amqp(host: str, port: int, timeout: float = 2.0) -> bool:
    """Whether an AMQP 0.9.1 broker answers: an open port alone proves nothing, a proxy may hold it."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
