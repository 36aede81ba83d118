"""Real processes on a real broker: started, watched, stopped and killed."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from devservices.broker import Broker
from tests.clients import PATIENCE_SECONDS
from tests.programs.forked import Child, start

CLEAN = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME", "TMPDIR", "TZ")}


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass
class Process:
    """A program of ours, and everything that it printed to standard error."""

    child: Child | asyncio.subprocess.Process
    address: str
    printed: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Keep what it prints."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.child.stderr is not None
        while line := await self.child.stderr.readline():
            self.printed.append(line.decode().rstrip())

    async def until_ready(self) -> None:
        """Wait for /readyz."""
        await self.until(self._is_ready)

    async def until_printed(self, words: str) -> None:
        """Wait for words on standard error."""

        async def seen() -> bool:
            return any(words in line for line in self.printed)

        await self.until(seen)

    async def until(self, condition: Callable[[], object]) -> None:
        """Poll a condition; fail at once where the process ends first."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await condition():  # type: ignore[misc]  # every condition here is a coroutine function
                assert self.child.returncode is None, self.printed
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        async with httpx2.AsyncClient(trust_env=False) as http:
            try:
                return (await http.get(f"{self.address}/readyz")).is_success
            except httpx2.HTTPError:
                return False

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            status = await self.child.wait()
            assert self._reading is not None
            await self._reading
        return status

    async def terminate(self) -> int:
        """SIGTERM, and the exit status."""
        self.child.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        self.child.kill()
        await self.ended()


@dataclass
class Programs:
    """Starts programs with one installation's settings."""

    settings: dict[str, str]
    folder: Path
    running: list[Process] = field(default_factory=list)

    async def start(self, module: str, **settings: str) -> Process:
        """`python -m module` in an empty folder."""
        port = free_port()
        ports = {"WORKER_HEALTH_PORT": str(port), "ADMIN_API_PORT": str(port)}
        child = await start(module, cwd=self.folder, env=CLEAN | ports | self.settings | settings)
        process = Process(child, f"http://127.0.0.1:{port}")
        process.read()
        self.running.append(process)
        return process


@pytest.fixture
async def programs(database_url: str, rabbitmq: Broker, tmp_path: Path) -> AsyncIterator[Programs]:
    """Programs of one installation of its own; whatever still runs is killed."""
    folder = tmp_path / "empty"
    folder.mkdir()
    settings = {
        "DATABASE_URL": database_url,
        "AMQP_URL": rabbitmq.url,
        "BROKER_PREFIX": f"e{secrets.token_hex(4)}.",
        "EVENT_LOG_MAX_AGE": "1h",
        "LOG_FORMAT": "json",
    }
    made = Programs(settings, folder)
    yield made
    for process in made.running:
        if process.child.returncode is None:
            await process.kill()
