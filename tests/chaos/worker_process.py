"""The worker, which exits at an armed failpoint.

`CHAOS_EXIT_AT=before_commit:37`: at its 37th pass there; `taken:=m-7`: whenever it receives the message with that id.
"""

import os
import socket

import uvloop

from distribution.startup import start
from worker.app import run_until_signal
from worker.failpoints import Failpoint, FailpointHook, no_failpoints
from worker.settings import WorkerSettings

EXIT_STATUS = 137


def armed(at: str) -> FailpointHook:
    """A hook that ends the process at the failpoint `at`; one that does nothing if `at` is empty."""
    if not at:
        return no_failpoints
    name, _, when = at.partition(":")
    return by_content(Failpoint(name), when[1:]) if when.startswith("=") else by_count(Failpoint(name), int(when))


def by_count(fatal: Failpoint, passes: int) -> FailpointHook:
    """A hook that ends the process at the last of `passes` passes."""
    left = passes

    def watch(point: Failpoint, _about: str) -> None:
        nonlocal left
        if point is fatal:
            left -= 1
            if left == 0:
                os._exit(EXIT_STATUS)

    return watch


def by_content(fatal: Failpoint, culprit: str) -> FailpointHook:
    """A hook that ends the process whenever the failpoint is about `culprit`."""

    def watch(point: Failpoint, about: str) -> None:
        if point is fatal and about == culprit:
            os._exit(EXIT_STATUS)

    return watch


def main() -> None:
    """Run until a signal or the armed failpoint."""
    settings = start("worker", WorkerSettings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uvloop.run(run_until_signal(settings, listening, armed(os.environ.get("CHAOS_EXIT_AT", ""))))


if __name__ == "__main__":
    main()
