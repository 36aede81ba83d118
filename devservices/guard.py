"""Makes sure that the servers started here end, however this process ends.

A handler in this process would not run when it is killed, and signal handlers belong to the program that imports us.
So a small separate process waits at the end of a pipe: when the pipe closes, because this process closed it or ended,
it ends the servers and removes their folder.
"""

import contextlib
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 30.0


@dataclass
class Guard:
    """Ends the watched servers when the `with` block or this process ends."""

    folder: Path | None = None
    gentle: signal.Signals = signal.SIGKILL
    containers: bool = False

    def __post_init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self._watched: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        # Detached from our terminal, so that neither Ctrl-C nor its closing ends it: it has to outlive this process.
        self._process = subprocess.Popen(
            self._command(),
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Add a process to those that have to end."""
        self._watched.append(process)
        if self._process.stdin is not None:
            self._process.stdin.write(f"{process.pid}\n".encode())
            self._process.stdin.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        for process in (self._process, *self._watched):
            process.wait(_PATIENCE)

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "devservices.guard_process", "--mark", self.mark]
        command += ["--signal", self.gentle.name]
        if self.folder is not None:
            command += ["--folder", str(self.folder)]
        if self.containers:
            command += ["--containers"]
        return command
