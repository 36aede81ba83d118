"""A private PostgreSQL cluster: own folder and port, on the loopback interface alone."""

import re
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from devservices.databases import answers
from devservices.guard import Guard
from devservices.ports import LOOPBACK, free_ports
from devservices.server_process import Program
from devservices.settings import clean_environment

USER = "postgres"
OPTIONS = ["-c", "max_connections=200"]
NOT_DURABLE = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB"]
"""For databases created and dropped by the hundred: the first two wait for no disk; each drop scans the third."""
_PACKAGED = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")


def find_postgres() -> Path | None:
    """The folder of the newest initdb and postgres, or None."""
    folders = [folder for pattern in _PACKAGED for folder in Path("/").glob(pattern)]
    initdb = shutil.which("initdb")
    if initdb:
        folders.append(Path(initdb).resolve().parent)
    complete = [folder for folder in folders if (folder / "initdb").is_file() and (folder / "postgres").is_file()]
    return max(complete, key=_version, default=None)


@dataclass
class ClusterSettings:
    """Folder, programs and port of one cluster. `account`: the system user it runs as, if not the current one."""

    folder: Path
    tools: Path
    account: str | None
    options: list[str]
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @property
    def url(self) -> str:
        """Address of the database that always exists."""
        return f"postgresql+asyncpg://{USER}@{LOOPBACK}:{self.port}/postgres"


def private_cluster(settings: ClusterSettings, guard: Guard) -> Program:
    """The cluster, initialised and ready to be started."""
    data = settings.folder / "data"
    command = [str(settings.tools / "postgres"), "-D", str(data), "-p", str(settings.port), "-h", LOOPBACK]
    # No socket file: its usual folder may not exist, or not be writable for us.
    command += ["-c", "unix_socket_directories=", *settings.options]
    cluster = Program(
        name="postgres",
        command=command,
        environment=clean_environment("PG") | {"HOME": str(settings.folder), "LC_ALL": "C"},
        folder=settings.folder,
        ready=lambda: answers(settings.url),
        guard=guard,
        tools=settings.tools,
        user=settings.account,
        stop_signal=signal.SIGINT,  # "fast": ends connections instead of waiting for them
    )
    cluster.run("initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale")
    return cluster


def _version(tools: Path) -> tuple[int, ...]:
    command = [str(tools / "postgres"), "--version"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    numbers = re.search(r"(\d+)(?:\.(\d+))?", result.stdout)
    return tuple(int(number) for number in numbers.groups(default="0")) if numbers else (0,)
