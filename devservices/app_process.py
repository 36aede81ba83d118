"""Our programs as processes: their environment, address, readiness and end."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from devservices.ports import LOOPBACK, free_ports

KEPT = ("PATH", "LANG", "HOME", "TMPDIR", "TZ", "COVERAGE_PROCESS_CONFIG")
READY_SECONDS = 120.0
STOP_SECONDS = 60.0
_PAUSE = 0.05


class AppError(Exception):
    """A program ended before it was ready, or was not ready in time."""


class Spawned(Protocol):
    """The interface of a process, however it was started."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """Its exit status; None while it runs."""

    async def wait(self) -> int:
        """Wait for its end; returns the exit status."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""


@dataclass
class AppProcess:
    """A running program of ours and its address."""

    name: str
    process: Spawned
    url: str

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = READY_SECONDS) -> None:
        """Poll a condition; AppError if the program ends first."""
        async with asyncio.timeout(seconds):
            while not await condition():
                self.check()
                await asyncio.sleep(_PAUSE)

    async def until_ready(self) -> None:
        """Wait for /readyz."""
        await self.until(lambda: is_ready(self.url))

    def check(self) -> None:
        """AppError if it has ended."""
        if self.process.returncode is not None:
            raise AppError(f"{self.name} ended with {self.process.returncode}{self.last_words()}")

    def last_words(self) -> str:
        """The last lines it printed, if they are known."""
        return ""

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        async with asyncio.timeout(STOP_SECONDS):
            return await self.process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, unless it has ended; returns the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended()

    async def kill(self) -> int:
        """End it as a crash would."""
        return await self.stop(signal.SIGKILL)


def app_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """These settings, and the variables of this process's environment that any program needs (KEPT); no others."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | dict(settings)


def app_ports() -> tuple[dict[str, str], str]:
    """Settings with a free port for the program that gets them, worker or admin API, and its future address."""
    port = str(free_ports(1)[0])
    return {"WORKER_HEALTH_PORT": port, "ADMIN_API_PORT": port}, f"http://{LOOPBACK}:{port}"


async def spawn(module: str, settings: Mapping[str, str], log: Path, cwd: Path | None = None) -> Process:
    """`python -m module` with these settings and no others; it appends to the log."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module), cwd=cwd, env=app_environment(settings), stdout=output, stderr=output
        )


@asynccontextmanager
async def running_app(
    module: str, settings: Mapping[str, str], log: Path, cwd: Path | None = None
) -> AsyncIterator[AppProcess]:
    """A program at a free port, ready; stopped after the block."""
    ports, url = app_ports()
    app = AppProcess(module, await spawn(module, ports | dict(settings), log, cwd), url)
    try:
        await app.until_ready()
        yield app
    finally:
        await app.stop()


async def is_ready(url: str) -> bool:
    """Whether the program at this address reports that it is ready."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"{url}/readyz")).is_success
        except httpx2.HTTPError:
            return False
