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
from devservices.folders import private_folder
from devservices.guard import Guard
from distribution.terminal import tolerate_any_encoding
from examples.data_folder import Kept
from examples.run_environment import admin_token, place, read_environment
from examples.services import Stack, new_token, stack
from examples.signals import interruptible
from examples.subprocesses import ROOT, ChildError, Children

_PAUSE = 0.2
_GIVEN = ("AMQP_URL", "DATABASE_URL")


class NotOursError(DevServiceError):
    """What is asked for would touch a service that was given by its address."""


@dataclass(frozen=True)
class Found:
    """The broker and the database of a run, and what to say of their data."""

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
    """Start everything and watch over it; ends only by an exception."""
    environment = read_environment()
    with ExitStack() as opened:
        found = find(opened, environment, kept, fresh=fresh)
        environment |= {"AMQP_URL": found.broker.url, "DATABASE_URL": found.database_url}
        if not environment.get("ADMIN_API_TOKENS"):
            environment["ADMIN_API_TOKENS"] = f"admin:{new_token()}"
        services = opened.enter_context(stack(environment))
        _show(console, services, found, admin_token(environment))
        _watch(services.children)


def find(opened: ExitStack, environment: Mapping[str, str], kept: Kept, *, fresh: bool) -> Found:
    """The broker and the database, for as long as the stack is open: both are kept, or none of them."""
    given = [name for name in _GIVEN if environment.get(name)]
    if fresh and given:
        raise NotOursError(f"--fresh begins with an empty broker and database, and {' and '.join(given)} are not ours")
    database_url = environment.get("DATABASE_URL") or f"sqlite+aiosqlite:///{kept.database}"
    database = "the database of DATABASE_URL" if "DATABASE_URL" in given else str(kept.database)
    opened.enter_context(kept.locked())
    if "AMQP_URL" in given:
        return Found(Broker(environment["AMQP_URL"], "url"), database_url, f"{database} and the broker of AMQP_URL")
    aside = kept.set_aside(datetime.now(UTC)) if fresh else None
    try:
        found = opened.enter_context(broker(kept=kept.broker, plugins=True))
    except ServiceStartError as error:
        raise ServiceStartError(
            f"{error} (make run FRESH=1 sets {kept.broker} aside, and the database with it)"
        ) from None
    if found.is_kept:
        return Found(
            found, database_url, f"{database} and {kept.broker}, both kept for the next run{_fresh(given, aside)}"
        )
    if "DATABASE_URL" in given:
        return Found(found, database_url, f"{database}, which stays; the broker's queues end with this run")
    # A container's queues end with it, and a database that outlived them would miss what they held.
    folder = private_folder("contacts-run-")
    opened.enter_context(Guard(folder))
    return Found(
        found, f"sqlite+aiosqlite:///{folder / 'contacts.db'}", f"{folder} and a container, both end with this run"
    )


def _fresh(given: list[str], aside: Path | None) -> str:
    if aside is not None:
        return f"; what was there before is in {aside}"
    return "" if given else "; make run FRESH=1 begins anew"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make run", description="The services in the foreground, until Ctrl-C.")
    parser.add_argument(
        "--fresh", action="store_true", help="begin with an empty broker and database; earlier ones are set aside"
    )
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="the folder that both are kept in")
    return parser.parse_args()


def _show(console: Console, services: Stack, found: Found, token: str | None) -> None:
    # The address of a private one is needed to reach it, and its password is RabbitMQ's own default.
    own = found.broker.kind != "url"
    lines = {
        "admin API": f"{services.api_url}   (to try it: {services.api_url}/docs)",
        "admin token": token or "none of ADMIN_API_TOKENS has the role admin",
        "broker": found.broker.url if own else place(found.broker.url),
        "its page": f"{found.broker.pages_url}   (user guest, password guest)" if found.broker.pages_url else "",
        "its streams": found.broker.stream_url,
        "worker health": f"{services.worker_url}/readyz",
        "data": found.data,
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
