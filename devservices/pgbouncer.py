"""A PgBouncer in front of a PostgreSQL, started for the duration of a `with` block."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from devservices.apt import can_install, install
from devservices.databases import answers
from devservices.errors import ServiceNotFoundError
from devservices.guard import Guard
from devservices.ports import LOOPBACK, free_ports
from devservices.progress import say
from devservices.server_process import Program, unprivileged_user
from devservices.service import Service
from devservices.settings import clean_environment
from devservices.temporary_folders import private_folder

_NAME = "pgbouncer"
_FOLDERS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
# Each transaction gets the next server session in turn, so that code relying on session state fails.
_OPTIONS = {
    "listen_addr": LOOPBACK,
    "unix_socket_dir": "",
    "auth_type": "any",
    "pool_mode": "transaction",
    "default_pool_size": "20",
    "min_pool_size": "3",
    "max_client_conn": "200",
    "server_round_robin": "1",
}


@contextmanager
def pgbouncer(server: str, **options: str) -> Iterator[Service]:
    """Start one in front of the server at this address, with these options; its `url` leads to the server."""
    program = _find()
    if program is None and can_install() and install(_NAME, _NAME):
        program = _find()
    if program is None:
        raise ServiceNotFoundError(
            "no PgBouncer: install it (Debian, Ubuntu: apt-get install pgbouncer; macOS: brew install pgbouncer)"
        )
    with ExitStack() as stack:
        yield _start(stack, program, make_url(server), options)


def _find() -> Path | None:
    path = shutil.which(_NAME) or shutil.which(_NAME, path=_FOLDERS)
    return Path(path) if path else None


def _start(stack: ExitStack, program: Path, server: URL, options: dict[str, str]) -> Service:
    account = unprivileged_user()
    folder = private_folder("contacts-pgbouncer-", account)
    guard = stack.enter_context(Guard(folder))
    (port,) = free_ports(1)
    through = server.set(host=LOOPBACK, port=port).render_as_string(hide_password=False)
    file = folder / "pgbouncer.ini"
    file.write_text(_configuration(server, _OPTIONS | {"listen_port": str(port)} | options))
    if account is not None:
        shutil.chown(file, account)
    say(_NAME, f"starting a PgBouncer on port {port}")
    bouncer = Program(
        name=_NAME,
        command=[str(program), str(file)],
        environment=clean_environment("PG"),
        folder=folder,
        ready=lambda: answers(through),
        guard=guard,
        tools=program.parent,
        user=account,
    )
    bouncer.start()
    return Service(through, "program", bouncer)


def _configuration(server: URL, options: dict[str, str]) -> str:
    place = {"host": server.host, "port": server.port or 5432, "user": server.username, "password": server.password}
    written = " ".join(f"{name}='{value}'" for name, value in place.items() if value)
    lines = [f"{name} = {value}" for name, value in options.items()]
    return "\n".join(("[databases]", f"* = {written}", "[pgbouncer]", *lines, ""))
