"""Time limits for clients, and the limit on connections."""

import resource
from dataclasses import dataclass

RESERVED_FILES = 96
"""Open files that are not clients: up to 15 database connections, three files each on SQLite, and the process's own."""
FEWEST_CONNECTIONS = 8
BODY_SECONDS = 30.0
SLOWEST_BODY = 64 * 1024
"""Bytes per second: large bodies, if allowed, get the time to arrive at this rate."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, except `connections`.

    `head`: from the connection, or from the request's first byte, to the end of its head. `body`: from there to the end
    of the body. `idle`: between two requests. `stalled`: for the client to read some of the response. `drain`: for the
    unread rest of a small body. `linger`: for a client that is still sending to read the last response.
    """

    connections: int
    head: float = 10.0
    body: float = BODY_SECONDS
    idle: float = 60.0
    stalled: float = 30.0
    drain: float = 5.0
    linger: float = 2.0


def body_seconds(max_bytes: int) -> float:
    """Returns the time limit in seconds for a body of up to this many bytes."""
    return max(BODY_SECONDS, max_bytes / SLOWEST_BODY)


def connections_within(wanted: int) -> int:
    """Returns the wanted number of connections, or as many as the process's limit on open files allows."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if files == resource.RLIM_INFINITY else files - RESERVED_FILES
    return max(FEWEST_CONNECTIONS, min(wanted, possible))
