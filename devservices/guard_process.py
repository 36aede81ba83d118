"""The process behind `devservices.guard`: reads process ids until its input closes, then ends those processes."""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

import psutil

from devservices.docker_engine import remove_containers
from devservices.processes import end
from devservices.temporary_folders import remove_folder


def main() -> None:
    """Wait, then end the servers and remove what they left."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(_read_processes(), options.mark, signal.Signals[options.signal])
    if options.folder is not None:
        remove_folder(options.folder)
    if options.containers:
        remove_containers(options.mark)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mark", required=True)
    parser.add_argument("--signal", required=True)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--containers", action="store_true")
    return parser.parse_args()


def _read_processes() -> list[psutil.Process]:
    started: list[psutil.Process] = []
    for line in sys.stdin:
        # Looked up at once: later the id may belong to another process.
        with contextlib.suppress(psutil.Error, ValueError):
            started.append(psutil.Process(int(line)))
    return started


if __name__ == "__main__":
    main()
