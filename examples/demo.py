"""`make demo`: starts everything, sends real contacts, prints the results. Exit status 0 if the totals match."""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import aio_pika
import httpx2
from rich.console import Console

from devservices.broker import broker
from devservices.errors import DevServiceError
from devservices.ports import free_ports
from devservices.temporary_folders import private_folder
from distribution.terminal import escaped, tolerate_any_encoding
from examples.admin import ApiError
from examples.cleanup import own_names
from examples.report import show
from examples.run_scenario import Access, Seen, run_scenario
from examples.scenario import Scenario, make_scenario
from examples.services import Stack, new_token, stack
from examples.signals import interruptible
from examples.subprocesses import ChildError
from examples.verification import differences

_FAILURES = (
    DevServiceError, ChildError, ApiError, httpx2.HTTPError, aio_pika.exceptions.AMQPError, OSError
)  # fmt: skip


def main() -> int:
    """Run the demo; returns the exit status."""
    tolerate_any_encoding()
    console = Console(highlight=False, soft_wrap=False)
    started = time.monotonic()
    try:
        with interruptible():
            wrong = play(console)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except _FAILURES as error:
        console.print(f"demo: {_shown(error)}", markup=False, soft_wrap=True)
        return 1
    console.print(f"{'the sums do not hold' if wrong else 'the sums hold'}, {time.monotonic() - started:.0f} s in all")
    return 1 if wrong else 0


def _shown(error: BaseException) -> str:
    # A child's last lines are already escaped, and are separate lines.
    return str(error) if isinstance(error, ChildError) else escaped(str(error))


def play(console: Console) -> list[str]:
    """Start everything, run the scenario, show the tables, stop everything; returns the differences."""
    scenario = make_scenario(secrets.token_hex(3))
    with ExitStack() as opened:
        rabbitmq = opened.enter_context(broker())
        # The broker may be in use by others, so all names on it get a prefix of this run, and are deleted at the end.
        prefix = f"demo-{scenario.run}."
        opened.enter_context(own_names(rabbitmq.url, prefix))
        folder, token = private_folder("contacts-demo-"), new_token()
        environment = child_environment(os.environ, rabbitmq.url, prefix, token, folder)
        console.print(f"services: starting schema, worker and admin API on {database_name(os.environ)}")
        services = opened.enter_context(stack(environment, folder))
        seen = asyncio.run(
            run_scenario(
                Access(rabbitmq.url, prefix, services.api_url, token), scenario, console, services.children.check
            )
        )
        return report(console, scenario, seen, services)


def child_environment(ours: Mapping[str, str], amqp_url: str, prefix: str, token: str, folder: Path) -> dict[str, str]:
    """Settings of the services: ports and a token of this run, a fresh SQLite file unless DATABASE_URL is set."""
    api_port, worker_port = free_ports(2)
    return {
        **ours,
        "AMQP_URL": amqp_url,
        "BROKER_PREFIX": prefix,
        "DATABASE_URL": ours.get("DATABASE_URL") or f"sqlite+aiosqlite:///{folder / 'contacts.db'}",
        "ADMIN_API_HOST": "127.0.0.1",
        "ADMIN_API_PORT": str(api_port),
        "ADMIN_API_TOKENS": f"admin:{token}",
        "WORKER_HEALTH_PORT": str(worker_port),
        "LOG_FORMAT": ours.get("LOG_FORMAT") or "console",
    }


def database_name(ours: Mapping[str, str]) -> str:
    """The kind of database, without its address, which may hold a password."""
    url = ours.get("DATABASE_URL")
    return f"{url.split(':', 1)[0].split('+', 1)[0]} (DATABASE_URL)" if url else "a fresh SQLite file"


def report(console: Console, scenario: Scenario, seen: Seen, services: Stack) -> list[str]:
    """Show the tables, the differences and then the services' last log lines; returns the differences."""
    show(console, scenario, seen)
    wrong = differences(scenario, seen)
    for difference in wrong:
        console.print(f"differs: {escaped(difference)}", markup=False, soft_wrap=True)
    if wrong:
        for child in services.children.running:
            console.print(f"{child.name} said last:{child.tail()}", markup=False, soft_wrap=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
