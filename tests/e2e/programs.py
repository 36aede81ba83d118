"""Real processes on a real broker: started, watched, stopped and killed."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from devservices.app_process import AppProcess, app_environment, app_ports
from tests.programs.forked import Child, start


@dataclass
class Process(AppProcess):
    """A program of ours, and everything that it printed to standard error."""

    process: Child | asyncio.subprocess.Process
    printed: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    def read(self) -> None:
        """Keep what it prints."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.printed.append(line.decode().rstrip())

    def last_words(self) -> str:
        """All that it printed."""
        return "".join(f"\n  {line}" for line in self.printed)

    async def until_printed(self, words: str) -> None:
        """Wait for words on standard error."""

        async def seen() -> bool:
            return any(words in line for line in self.printed)

        await self.until(seen)

    async def ended(self) -> int:
        """Wait for its end, and for the end of what it prints; returns the exit status."""
        status = await super().ended()
        assert self._reading is not None
        await self._reading
        return status


@dataclass
class Programs:
    """Starts programs with one installation's settings."""

    settings: dict[str, str]
    folder: Path
    running: list[Process] = field(default_factory=list)

    async def start(self, module: str, **settings: str) -> Process:
        """`python -m module` in an empty folder."""
        ports, url = app_ports()
        child = await start(module, cwd=self.folder, env=app_environment(ports | self.settings | settings))
        process = Process(module, child, url)
        process.read()
        self.running.append(process)
        return process
