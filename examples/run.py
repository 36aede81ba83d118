"""`make run`: the services in the foreground, until Ctrl-C."""

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from devservices.broker import Broker, broker
from devservices.errors import DevServiceError, ServiceStartError
from devservices.guard import Guard
from devservices.temporary_folders import private_folder
from distribution.terminal import tolerate_any_encoding
from examples.data_folder import Kept
from examples.run_environment import admin_token, place, read_environment
from examples.services import Stack, new_token, stack
from examples.signals import interruptible
from examples.subprocesses import ROOT, ChildError, Children

_PAUSE = 0.2
_GIVEN = ("AMQP_URL", "DATABASE_URL")


class NotOursError(DevServiceError):
    """The request would change a service that was given by its address."""


@dataclass(frozen=True)
class RunServices:
    """The broker and the database of a run, and a line about their data."""

    broker: Broker
    database_url: str
    data: str


def main() -> int:
    """Run the services; returns the exit status."""
    tolerate_any_encoding()
    options = _options()
    console = Console(highlight=False, stderr=True)
    try:
        with interruptible():
            serve(console, Kept(options.data.resolve()), fresh=options.fresh)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    except (DevServiceError, ChildError) as error:
        console.print(f"run: {error}", markup=False, soft_wrap=True)
        return 1


def serve(console: Console, kept: Kept, *, fresh: bool) -> NoReturn:
    """Start everything and watch it; ends only with an exception."""
    environment = read_environment()
    with ExitStack() as opened:
        run_services = find(opened, environment, kept, fresh=fresh)
        environment |= {"AMQP_URL": run_services.broker.url, "DATABASE_URL": run_services.database_url}
        if not environment.get("ADMIN_API_TOKENS"):
            environment["ADMIN_API_TOKENS"] = f"admin:{new_token()}"
        services = opened.enter_context(stack(environment))
        _show(console, services, run_services, admin_token(environment))
        _watch(services.children)


def find(opened: ExitStack, environment: Mapping[str, str], kept: Kept, *, fresh: bool) -> RunServices:
    """The broker and the database, for as long as the stack is open: the data of both is kept, or of neither."""
    given = [name for name in _GIVEN if environment.get(name)]
    if fresh and given:
        raise NotOursError(f"--fresh begins with an empty broker and database, and {' and '.join(given)} are not ours")
    database_url = environment.get("DATABASE_URL") or f"sqlite+aiosqlite:///{kept.database}"
    database = "the database of DATABASE_URL" if "DATABASE_URL" in given else str(kept.database)
    opened.enter_context(kept.locked())
    if "AMQP_URL" in given:
        return RunServices(
            Broker(environment["AMQP_URL"], "url"), database_url, f"{database} and the broker of AMQP_URL"
        )
    earlier = kept.set_aside(datetime.now(UTC)) if fresh else None
    try:
        rabbitmq = opened.enter_context(broker(kept=kept.broker, plugins=True))
    except ServiceStartError as error:
        raise ServiceStartError(
            f"{error} (make run FRESH=1 sets {kept.broker} aside, and the database with it)"
        ) from None
    if rabbitmq.is_kept:
        return RunServices(
            rabbitmq,
            database_url,
            f"{database} and {kept.broker}, both kept for the next run{_fresh_hint(given, earlier)}",
        )
    if "DATABASE_URL" in given:
        return RunServices(rabbitmq, database_url, f"{database}, which stays; the broker's queues end with this run")
    # A container's queues end with it, and a database that outlived them would be missing their messages.
    folder = private_folder("contacts-run-")
    opened.enter_context(Guard(folder))
    return RunServices(
        rabbitmq, f"sqlite+aiosqlite:///{folder / 'contacts.db'}", f"{folder} and a container, both end with this run"
    )


def _fresh_hint(given: list[str], earlier: Path | None) -> str:
    if earlier is not None:
        return f"; what was there before is in {earlier}"
    return "" if given else "; make run FRESH=1 starts with empty ones"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make run", description="The services in the foreground, until Ctrl-C.")
    parser.add_argument(
        "--fresh", action="store_true", help="begin with an empty broker and database; earlier ones are set aside"
    )
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="the folder that both are kept in")
    return parser.parse_args()


def _show(console: Console, services: Stack, run_services: RunServices, token: str | None) -> None:
    # The address of a private broker is needed to reach it, and its password is RabbitMQ's default.
    node = run_services.broker
    own = node.kind != "url"
    lines = {
        "admin API": f"{services.api_url}   (to try it: {services.api_url}/docs)",
        "admin token": token or "none of ADMIN_API_TOKENS has the role admin",
        "broker": node.url if own else place(node.url),
        "its page": f"{run_services.broker.pages_url}   (user guest, password guest)"
        if run_services.broker.pages_url
        else "",
        "its streams": node.stream_url,
        "worker health": f"{services.worker_url}/readyz",
        "data": run_services.data,
    }
    for name, value in lines.items():
        if value:
            console.print(f"{name:<14}  {value}", markup=False, soft_wrap=True)
    console.print("Ctrl-C stops all of it", markup=False)


def _watch(children: Children) -> NoReturn:
    while True:
        children.check()
        time.sleep(_PAUSE)


if __name__ == "__main__":
    sys.exit(main())
