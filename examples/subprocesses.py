"""Child processes that end with this one, even if it is killed: first asked to stop, then killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devservices.guard import Guard
from devservices.processes import MARK
from distribution.terminal import escaped

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 35.0  # the worker guarantees to stop within 30
_TAIL_LINES = 15
_PAUSE = 0.05


class ChildError(Exception):
    """A child ended, or was not ready in time."""


@dataclass(frozen=True)
class Child:
    """A running program of ours. Without a log it writes to this process's output."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    def check(self) -> None:
        """Raise ChildError if it has ended."""
        status = self.process.poll()
        if status is not None:
            raise ChildError(f"{self.name} ended with exit status {status}{self.tail()}")

    def tail(self) -> str:
        """The last lines of its log, each on its own line."""
        if self.log is None:
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "".join(f"\n  {escaped(line)}" for line in lines)


@dataclass
class Children:
    """Starts children with one environment and tracks them. Without `logs` they write to this process's output."""

    guard: Guard
    environment: Mapping[str, str]
    logs: Path | None = None
    patience: float = STOP_SECONDS
    running: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str) -> Child:
        """Start a Python module."""
        log = self.logs / f"{name}.log" if self.logs else None
        with ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**self.environment, MARK: self.guard.mark, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                # Outside the terminal's process group: Ctrl-C is for this process, which stops them in its own order.
                start_new_session=True,
            )
        self.guard.watch(process)
        child = Child(name, process, log)
        self.running.append(child)
        return child

    def check(self) -> None:
        """Raise ChildError if one has ended."""
        for child in self.running:
            child.check()

    def finish(self, child: Child, seconds: float) -> None:
        """Wait for a child that should end by then; ChildError if it does not, or if it fails."""
        if not wait_until(lambda: child.process.poll() is not None, seconds):
            raise ChildError(f"{child.name} was not done within {seconds:.0f} s{child.tail()}")
        if child.process.returncode != 0:
            child.check()
        self.running.remove(child)

    def stop(self) -> None:
        """Ask them all to stop and wait; the guard ends those that have not stopped by then."""
        for child in self.running:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        wait_until(lambda: all(child.process.poll() is not None for child in self.running), self.patience)


@contextmanager
def children(
    environment: Mapping[str, str], logs: Path | None = None, patience: float = STOP_SECONDS
) -> Iterator[Children]:
    """Children for the duration of the block; the folder of logs is removed afterwards."""
    with Guard(logs) as guard:
        started = Children(guard, environment, logs, patience)
        try:
            yield started
        finally:
            started.stop()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition; returns whether it held within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
