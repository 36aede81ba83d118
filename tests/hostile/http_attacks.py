"""Attacks on the HTTP API, each in a process of its own: `python -m tests.hostile.http_attacks NAME PORT SECONDS`.

Limited in connections and time, and to the loopback interface.
"""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
TOKEN = "hostile-run-admin"  # noqa: S105 - of an API that lives as long as the run
HEAD = b" HTTP/1.1\r\nHost: x\r\n"
AUTHORIZATION = b"Authorization: Bearer %s\r\n" % TOKEN.encode()
CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
RESPONSE_BYTES = 4096

Attack = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection, aborted at the end of the block."""
    client_socket = socket.socket()
    # As small as the kernel allows: otherwise it buffers megabytes for a client that does not read.
    client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RESPONSE_BYTES)
    client_socket.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client_socket, (HOST, port))
    reader, writer = await asyncio.open_connection(sock=client_socket)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def half_open(port: int) -> None:
    """Send half a request head, and wait."""
    async with connection(port) as (reader, writer):
        writer.write(b"GET /healthz" + HEAD + b"X-Half: ")
        await reader.read(RESPONSE_BYTES)


async def slow_body(port: int) -> None:
    """With a valid token, send one byte of the body every second."""
    async with connection(port) as (reader, writer):
        writer.write(b"POST /api/v1/contacts" + HEAD + AUTHORIZATION + b"Content-Length: 60000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(RESPONSE_BYTES), 1)


async def not_reading(port: int) -> None:
    """Request the largest response that needs no token, and never read it."""
    async with connection(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        writer.write((b"GET /docs/static/swagger-ui-bundle.js" + HEAD + b"\r\n") * 4)
        await asyncio.sleep(60)  # the attack itself


async def guessing(port: int) -> None:
    """Try one token after the other, as fast as the responses arrive."""
    async with connection(port) as (reader, writer):
        for number in itertools.count():
            writer.write(b"GET /api/v1/operators" + HEAD + b"Authorization: Bearer guess-%020d\r\n\r\n" % number)
            if b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower():
                return


async def asking(port: int) -> None:
    """Request a page that needs no token and queries the database, as fast as the responses arrive."""
    async with connection(port) as (reader, writer):
        while True:
            writer.write(b"GET /readyz" + HEAD + b"\r\n")
            await reader.readuntil(b"}")


async def endless_body(port: int) -> None:
    """Send chunks without end to a path that requires a token."""
    async with connection(port) as (reader, writer):
        writer.write(b"POST /api/v1/contacts" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(CHUNK)
            await writer.drain()
            await asyncio.sleep(0)  # a turn for the other attackers: `drain` need not wait
        await reader.read(RESPONSE_BYTES)


ATTACKS: dict[str, tuple[int, Attack]] = {
    "half-open": (900, half_open),
    "slow bodies": (300, slow_body),
    "not reading": (300, not_reading),
    "guessing": (64, guessing),
    "asking": (64, asking),
    "endless bodies": (16, endless_body),
}


async def repeat(attack: Attack, port: int) -> None:
    """Repeat the attack whenever it ends."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            await attack(port)
        await asyncio.sleep(0.01)  # the rate at which one client connects again


async def main(name: str, port: int, seconds: float) -> None:
    """Run the attack's number of connections for `seconds`."""
    count, attack = ATTACKS[name]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(repeat(attack, port))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
