"""`python -m worker`."""

import gc
import socket
import sys

import structlog
import uvloop

from distribution.errors import DistributionError
from distribution.startup import exit_with_error, start
from worker.app import run_until_signal
from worker.failpoints import FailpointHook, no_failpoints
from worker.settings import WorkerSettings

PROGRAM = "worker"
OBJECTS_BETWEEN_COLLECTIONS = 10_000


def main(at_failpoint: FailpointHook = no_failpoints) -> int:
    """Run the worker; returns the exit status. `at_failpoint` is called at each."""
    settings = start(PROGRAM, WorkerSettings)
    try:
        health_socket = socket.create_server((settings.worker_health_host, settings.worker_health_port))
    except OSError as error:
        exit_with_error(
            PROGRAM, f"WORKER_HEALTH_PORT: cannot listen on {settings.worker_health_port}: {error.strerror}"
        )
    # The objects loaded so far live as long as the process: scanning them in every full collection paused everything
    # for 60 ms. And a batch makes tens of thousands of objects without cycles: a collection after each 700 of them
    # costs up to a fifth of its time.
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        uvloop.run(run_until_signal(settings, health_socket, at_failpoint))
    except ExceptionGroup as group:
        expected, _ = group.split(DistributionError)
        if expected is not None:
            exit_with_error(PROGRAM, str(expected.exceptions[0]))
        structlog.get_logger("worker").exception("worker_died", exc_info=group)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
