"""Servers for development that are killed."""

import os
import sys
from pathlib import Path

from devservices.guard import Guard
from devservices.processes import marked
from devservices.server_process import Program

FORKS = """
import os, pathlib, time
for number in range(500):
    if os.fork() == 0:
        time.sleep(60)  # until it is killed; not for ever if that fails
        os._exit(0)
    if number == 10:
        pathlib.Path("begun").touch()
time.sleep(60)  # until it is killed, as its children
"""


def test_a_program_that_starts_children_leaves_none(tmp_path: Path) -> None:
    """PostgreSQL does not start again beside a process of a server that was killed."""
    with Guard() as guard:
        program = Program(
            name="forks",
            command=[sys.executable, "-c", FORKS],
            environment=dict(os.environ),
            folder=tmp_path,
            ready=(tmp_path / "begun").exists,
            guard=guard,
            tools=tmp_path,
        )
        program.start()
        program.kill()
        assert marked(guard.mark) == set()
