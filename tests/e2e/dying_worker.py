"""The worker with a defect: a part of it dies after the first commit."""

import sys

from worker.__main__ import main
from worker.failpoints import Failpoint


class Defect(Exception):
    """Nothing that the worker could expect."""


def fail(point: Failpoint, _about: str) -> None:
    """Fail where something was just committed."""
    if point is Failpoint.AFTER_COMMIT:
        raise Defect


if __name__ == "__main__":
    sys.exit(main(fail))
