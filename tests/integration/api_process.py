"""`python -m admin_api` as a process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devservices.app_process import app_environment

COMMAND = (sys.executable, "-m", "admin_api")

LIMITED = ("/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"')

ADMIN = {"Authorization": "Bearer s3cret-of-an-admin"}


def environment(**settings: str) -> dict[str, str]:
    """These settings; a port of its own choice, and a log that can be read."""
    return app_environment({"ADMIN_API_PORT": "0", "LOG_FORMAT": "json"} | settings)


@contextmanager
def running(folder: Path, files: int = 0, /, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that listens, and its address; it may open no more than that many files."""
    command = (*LIMITED, str(files), *COMMAND) if files else COMMAND
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=folder, env=environment(**settings), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            lines = (json.loads(line) for line in process.stderr)
            port = next(line["port"] for line in lines if line["event"] == "listening")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()
