"""`make run`: the services in the foreground, until Ctrl-C."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from rich.console import Console

from devservices.broker import Broker, broker
from devservices.errors import DevServiceError
from distribution.terminal import tolerate_any_encoding
from examples.children import ChildError, Children
from examples.interruption import interruptible
from examples.stack import Stack, new_token, stack
from examples.wishes import admin_token, place, read_environment

_PAUSE = 0.2


def main() -> int:
    """Run the services; answers the exit status."""
    tolerate_any_encoding()
    console = Console(highlight=False, stderr=True)
    try:
        with interruptible():
            serve(console)
    except KeyboardInterrupt:
        console.print("stopped")
        return 0
    except (DevServiceError, ChildError) as error:
        console.print(f"run: {error}", markup=False, soft_wrap=True)
        return 1


def serve(console: Console) -> NoReturn:
    """Start everything and watch over it; ends only by an exception."""
    environment = read_environment()
    with _broker(environment.get("AMQP_URL", "")) as found:
        environment["AMQP_URL"] = found.url
        if not environment.get("ADMIN_API_TOKENS"):
            environment["ADMIN_API_TOKENS"] = f"admin:{new_token()}"
        with stack(environment) as services:
            _show(console, services, found, admin_token(environment))
            _watch(services.children)


def _broker(amqp_url: str) -> AbstractContextManager[Broker]:
    return nullcontext(Broker(amqp_url, "url")) if amqp_url else broker()


def _show(console: Console, services: Stack, found: Broker, token: str | None) -> None:
    # The address of a private one is needed to reach it, and its password is RabbitMQ's own default.
    broker_shown = place(found.url) if found.kind == "url" else f"{found.url}   (private: its queues end with it)"
    for line in (
        f"admin API       {services.api_url}   (to try it: {services.api_url}/docs)",
        f"admin token     {token or 'none of ADMIN_API_TOKENS has the role admin'}",
        f"broker          {broker_shown}",
        f"worker health   {services.worker_url}/readyz",
        "Ctrl-C stops all of it",
    ):
        console.print(line, markup=False, soft_wrap=True)


def _watch(children: Children) -> NoReturn:
    while True:
        children.check()
        time.sleep(_PAUSE)


if __name__ == "__main__":
    sys.exit(main())
