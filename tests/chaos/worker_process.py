"""The worker, which ends itself at an armed point.

`CHAOS_EXIT_AT=before_commit:37`: at its 37th pass there; `taken:=m-7`: whenever it takes the message with that id.
"""

import os
import socket

import uvloop

from distribution.startup import start
from worker.app import run_until_signal
from worker.points import Point, Watch, unwatched
from worker.settings import WorkerSettings

EXIT_STATUS = 137


def armed(at: str) -> Watch:
    """Ends the process where `at` says; nothing where it is empty."""
    if not at:
        return unwatched
    name, _, when = at.partition(":")
    return by_content(Point(name), when[1:]) if when.startswith("=") else by_count(Point(name), int(when))


def by_count(fatal: Point, passes: int) -> Watch:
    """Ends the process at the last of so many passes."""
    left = passes

    def watch(point: Point, _about: str) -> None:
        nonlocal left
        if point is fatal:
            left -= 1
            if left == 0:
                os._exit(EXIT_STATUS)

    return watch


def by_content(fatal: Point, culprit: str) -> Watch:
    """Ends the process whenever the point is about the culprit."""

    def watch(point: Point, about: str) -> None:
        if point is fatal and about == culprit:
            os._exit(EXIT_STATUS)

    return watch


def main() -> None:
    """Run until a signal or the armed point."""
    settings = start("worker", WorkerSettings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uvloop.run(run_until_signal(settings, listening, armed(os.environ.get("CHAOS_EXIT_AT", ""))))


if __name__ == "__main__":
    main()
