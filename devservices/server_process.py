"""A server as a private program with its own folder and ports, which leaves nothing behind."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from devservices.errors import ServiceStartError, ToolFailedError
from devservices.guard import Guard
from devservices.processes import MARK, family, send, suspend, wait_gone

START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_PAUSE = 0.1


@dataclass
class Program:
    """A program that serves until it is stopped. `user`: the account it runs as, if not the current one."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    ready: Callable[[], bool]
    guard: Guard
    tools: Path
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as log:
            process = self._launch(self.command, log, log)
        self._process = process
        self.guard.watch(process)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if process.poll() is not None:
                raise ServiceStartError(f"{self.name} ended while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServiceStartError(
                    f"{self.name} did not answer within {START_SECONDS:.0f} s: {self._last_words()}"
                )
            time.sleep(_PAUSE)

    def stop(self) -> None:
        """Shut it down in order, and wait."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it and its children at once."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Suspend it and its children."""
        send(self._members(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume them."""
        send(self._members(), signal.SIGCONT)

    def run(self, program: str, *arguments: str) -> str:
        """Run a tool beside the server's program, in its environment; returns its output. Raises ToolFailedError."""
        process = self._launch([str(self.tools / program), *arguments], subprocess.PIPE, subprocess.STDOUT)
        printed = process.communicate()[0].decode(errors="replace")
        if process.returncode != 0:
            raise ToolFailedError(f"{program} {' '.join(arguments)}: {printed.strip()}")
        return printed

    def put(self, name: str, content: bytes) -> str:
        """Write a file into its folder; returns its path."""
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    @property
    def log(self) -> Path:
        """The file with the program's output."""
        return self.folder / f"{self.name}.log"

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        root = [psutil.Process(process.pid)] if process.poll() is None else []
        if number is signal.SIGKILL:
            suspend(root)  # otherwise it could start a child that is not among its members
        members = self._members()
        send(members if number is signal.SIGKILL else root, number)
        process.wait(_STOP_SECONDS)
        send(wait_gone(members, 1.0), signal.SIGKILL)
        wait_gone(members, _STOP_SECONDS)
        self._process = None

    def _members(self) -> set[psutil.Process]:
        if self._process is None or self._process.poll() is not None:
            return set()
        return family([psutil.Process(self._process.pid)])

    def _launch(self, command: list[str], stdout: IO[bytes] | int, stderr: IO[bytes] | int) -> subprocess.Popen[bytes]:
        account = pwd.getpwnam(self.user) if self.user else None
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment, MARK: self.guard.mark},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            # Outside the terminal's process group: Ctrl-C is for the program that uses the server, which then ends it.
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return " / ".join(lines[-3:]) or "it printed nothing"


def unprivileged_user() -> str | None:
    """For root, the account for programs that refuse to run as root; None for any other user."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name for account in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)
