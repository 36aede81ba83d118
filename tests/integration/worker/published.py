"""What a relay has sent, seen at its failpoints."""

from worker.failpoints import Failpoint

NUMBER = 20


class Published:
    """How many events a relay has sent, or how many passed another point."""

    def __init__(self, point: Failpoint = Failpoint.BEFORE_PUBLISH) -> None:
        self.number, self._point = 0, point

    def see(self, point: Failpoint, _about: str) -> None:
        """Where the work stands."""
        self.number += point is self._point
