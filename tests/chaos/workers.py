"""The processes under test: each is killed during its work and started again, until the planned kills are done."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from devservices.app_process import spawn
from tests.chaos.worker_process import EXIT_STATUS
from worker.failpoints import Failpoint

ARMED = 0.7
"""The share of deaths at an armed failpoint; the others are by SIGKILL at any time."""
BATCH_POINTS = (
    Failpoint.BEFORE_COMMIT,
    Failpoint.AFTER_COMMIT,
    Failpoint.BEFORE_ACK,
    Failpoint.AFTER_ACK,
    Failpoint.BEFORE_DELETE,
)
EVENT_POINTS = (Failpoint.TAKEN, Failpoint.BEFORE_PUBLISH, Failpoint.AFTER_CONFIRM)
LONGEST_LIFE_SECONDS = 8
STOP_SECONDS = 40
GAVE_UP = 2
AGAIN_SECONDS = 0.5


@dataclass
class Workers:
    """Runs `number` workers of the code in `code`, with `kills` deaths in all."""

    settings: dict[str, str]
    code: Path
    logs: Path
    number: int
    kills: int
    random: Random
    deaths: Counter[str] = field(default_factory=Counter)
    _calm: bool = False
    _planned: int = 0
    _running: set[Process] = field(default_factory=set)

    @property
    def killed(self) -> int:
        """The number of deaths so far that we caused."""
        return self.deaths.total()

    async def run(self) -> None:
        """Keep all running until cancelled, then kill them."""
        try:
            async with asyncio.TaskGroup() as together:
                for number in range(self.number):
                    together.create_task(self._keep_running(number))
        finally:
            for process in self._running:
                with suppress(ProcessLookupError):
                    process.kill()
            for process in self._running:
                await process.wait()

    def calm_down(self) -> None:
        """Kill no more workers."""
        self._calm = True

    async def _keep_running(self, number: int) -> None:
        while True:
            point, seconds = self._draw_death()
            process = await self._start(number, point)
            self._running.add(process)
            try:
                await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                if not self._calm:
                    process.send_signal(signal.SIGKILL)
                    self.deaths["SIGKILL"] += 1
                await process.wait()
            else:
                await self._record_end(process, point, planned=seconds is not None)
            self._running.discard(process)

    async def _record_end(self, process: Process, point: str, *, planned: bool) -> None:
        if process.returncode == EXIT_STATUS and point:
            self.deaths[point.partition(":")[0]] += 1
        elif process.returncode == GAVE_UP:
            # No database at its start: a service manager would start it again.
            self._planned -= planned
            await asyncio.sleep(AGAIN_SECONDS)  # as a service manager waits
        elif process.returncode != 0:
            raise RuntimeError(f"a worker ended with {process.returncode}: see {self.logs}")

    def _draw_death(self) -> tuple[str, float | None]:
        """The failpoint at which it exits, and the seconds after which it is killed; neither once enough have died."""
        if self._calm or self._planned >= self.kills:
            return "", None
        self._planned += 1
        if self.random.random() > ARMED:
            return "", self.random.uniform(1.5, 5)
        if self.random.random() < 0.6:
            return f"{self.random.choice(BATCH_POINTS)}:{self.random.randint(1, 40)}", LONGEST_LIFE_SECONDS
        return f"{self.random.choice(EVENT_POINTS)}:{self.random.randint(1, 150)}", LONGEST_LIFE_SECONDS

    async def _start(self, number: int, point: str) -> Process:
        settings = self.settings | {"PYTHONPATH": str(self.code), "CHAOS_EXIT_AT": point}
        return await spawn("tests.chaos.worker_process", settings, self.logs / f"worker-{number}.log", self.code)

    async def stop(self) -> list[int]:
        """SIGTERM to all; returns their exit statuses."""
        running = list(self._running)
        for process in running:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_SECONDS):
            return [await process.wait() for process in running]
