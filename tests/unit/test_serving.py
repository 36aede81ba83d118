"""What needs no connection: how many there may be, and the log that nobody can flood."""

import asyncio
import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from serving.client_limits import BODY_SECONDS, FEWEST_CONNECTIONS, RESERVED_FILES, body_seconds, connections_within
from serving.rate_limited_log import MOST_KNOWN, MOST_SHOWN, RateLimitedLog
from tests.polling import until_true

MINUTE = 0.05


@pytest.fixture
def open_files() -> Iterator[int]:
    """A low limit on open files, for this test only."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, before[1]))
    yield 500
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_connections_leave_room_for_other_files(open_files: int) -> None:
    """As many as wanted, or as are possible; a few in any case."""
    assert connections_within(100) == 100
    assert connections_within(1000) == open_files - RESERVED_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    assert connections_within(1000) == FEWEST_CONNECTIONS


def test_a_larger_body_gets_more_time() -> None:
    """From the size on that a slow but honest client cannot send in half a minute."""
    assert body_seconds(256 * 1024) == BODY_SECONDS
    assert body_seconds(16 * 1024 * 1024) > 200


async def test_a_line_is_written_at_once_and_then_seldom() -> None:
    """The second line says how many there were, and whose most were; when nothing happens there is none."""
    seldom = RateLimitedLog("test", "it_happened", MINUTE, limit=7)
    with capture_logs() as logged:
        seldom.say("a")
        for number in range(2 * MOST_KNOWN):
            seldom.say("b")
            seldom.say(f"c{number}")
        assert [line["times"] for line in logged] == [1]
        await until_true(lambda: len(logged) >= 2)
        await asyncio.sleep(3 * MINUTE)  # what is tested: in this time nothing is logged
        assert len(logged) == 2
        seldom.say("a")
    assert [(line["times"], line["limit"], line["log_level"]) for line in logged] == [
        (1, 7, "warning"), (4 * MOST_KNOWN, 7, "warning"), (1, 7, "warning"),
    ]  # fmt: skip
    assert logged[1]["addresses"]["b"] == 2 * MOST_KNOWN
    assert len(logged[1]["addresses"]) == MOST_SHOWN
