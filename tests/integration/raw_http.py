"""Raw bytes to a server, and what it makes of them."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2

PATIENCE_SECONDS = 30
STILL_OPEN_SECONDS = 0.5
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: "
EMPTY = HALF[:0]


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write; that the other side is gone is seen when reading."""
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next response."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def rest(self) -> bytes:
        """Everything until the other side ends the connection."""
        found = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while data := await self.reader.read(65536):
                    found += data
        return found

    async def is_open(self) -> bool:
        """Whether the other side keeps the connection, and says nothing more."""
        try:
            async with asyncio.timeout(STILL_OPEN_SECONDS):
                await self.reader.read(1)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        return False


@asynccontextmanager
async def connected(url: str, *firsts: bytes, source: str | None = None) -> AsyncIterator[list[Wire]]:
    """As many connections as there are first words, sent on them."""
    parts, local = httpx2.URL(url), (source, 0) if source else None
    wires: list[Wire] = []
    try:
        for first in firsts:
            wires.append(Wire(*await asyncio.open_connection(parts.host, parts.port, local_addr=local)))
            await wires[-1].send(first)
        yield wires
    finally:
        for wire in wires:
            wire.writer.transport.abort()


def log_of(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """End a process well; everything that it logged since it listens."""
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, text
    return [json.loads(line) for line in text.splitlines()]
