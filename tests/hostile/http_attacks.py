"""Attacks on the HTTP API, each in a process of its own: `python -m tests.hostile.http_attacks NAME PORT SECONDS`.

Bounded in connections and in time, and to the loopback interface.
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
ALLOWED = b"Authorization: Bearer %s\r\n" % TOKEN.encode()
CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
ANSWER_BYTES = 4096

Attack = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection, ended without a farewell."""
    made = socket.socket()
    # As little as the kernel allows: else it reads megabytes for somebody who does not.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ANSWER_BYTES)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, (HOST, port))
    reader, writer = await asyncio.open_connection(sock=made)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def half_open(port: int) -> None:
    """Half a head, and wait."""
    async with connection(port) as (reader, writer):
        writer.write(b"GET /healthz" + HEAD + b"X-Half: ")
        await reader.read(ANSWER_BYTES)


async def slow_body(port: int) -> None:
    """With a token that may: a byte of the body every second."""
    async with connection(port) as (reader, writer):
        writer.write(b"POST /api/v1/contacts" + HEAD + ALLOWED + b"Content-Length: 60000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(ANSWER_BYTES), 1)


async def not_reading(port: int) -> None:
    """Ask for the largest answer that needs no token, and never read it."""
    async with connection(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        writer.write((b"GET /docs/static/swagger-ui-bundle.js" + HEAD + b"\r\n") * 4)
        await asyncio.sleep(60)


async def guessing(port: int) -> None:
    """One token after the other, as fast as the answers come."""
    async with connection(port) as (reader, writer):
        for number in itertools.count():
            writer.write(b"GET /api/v1/operators" + HEAD + b"Authorization: Bearer guess-%020d\r\n\r\n" % number)
            if b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower():
                return


async def asking(port: int) -> None:
    """What needs no token and asks the database, as fast as the answers come."""
    async with connection(port) as (reader, writer):
        while True:
            writer.write(b"GET /readyz" + HEAD + b"\r\n")
            await reader.readuntil(b"}")


async def endless_body(port: int) -> None:
    """Chunks without end to a path that wants a token."""
    async with connection(port) as (reader, writer):
        writer.write(b"POST /api/v1/contacts" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(CHUNK)
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read(ANSWER_BYTES)


ATTACKS: dict[str, tuple[int, Attack]] = {
    "half-open": (900, half_open),
    "slow bodies": (300, slow_body),
    "not reading": (300, not_reading),
    "guessing": (64, guessing),
    "asking": (64, asking),
    "endless bodies": (16, endless_body),
}


async def again_and_again(attack: Attack, port: int) -> None:
    """The attack, begun anew whenever it is ended."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            await attack(port)
        await asyncio.sleep(0.01)


async def main(name: str, port: int, seconds: float) -> None:
    """As many connections as the attack has, for so long."""
    count, attack = ATTACKS[name]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(again_and_again(attack, port))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
