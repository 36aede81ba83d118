"""Free ports on the loopback interface."""

import secrets
import socket
from contextlib import ExitStack

from devservices.errors import ServiceStartError

LOOPBACK = "127.0.0.1"
_LOWEST = 20_000
# Below the kernel's range of ephemeral ports. A client that keeps retrying a stopped server on a port inside that
# range can be given this very port as its own, connect to itself, and keep the server from ever coming back.
_HIGHEST = 32_000
_TRIES = 200


def free_ports(count: int) -> list[int]:
    """Different ports that no process listens on now."""
    ports: list[int] = []
    with ExitStack() as sockets:
        for _ in range(_TRIES):
            if len(ports) == count:
                return ports
            port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
            if _bind(sockets, port):
                ports.append(port)
    raise ServiceStartError(f"no {count} free ports between {_LOWEST} and {_HIGHEST} on {LOOPBACK}")


def is_free(port: int) -> bool:
    """Whether the port is free now."""
    with ExitStack() as sockets:
        return _bind(sockets, port)


def _bind(sockets: ExitStack, port: int) -> bool:
    new_socket = sockets.enter_context(socket.socket())
    try:
        new_socket.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def is_open(host: str, port: int, timeout: float = 2.0) -> bool:
    """Whether a server accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def speaks_amqp(host: str, port: int, timeout: float = 2.0) -> bool:
    """Whether an AMQP 0.9.1 broker responds: an open port alone proves nothing, since a proxy may hold it."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
