"""The log on a console: what stands in it from outside cannot forge a line of it."""

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from distribution import logs

FORGED = "x\n2026-11-25T00:00:00Z [info     ] worker_stopped\x1b[2J\x9b31m\u202e"


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the log writes; everything as it was afterwards."""
    root, written, before = logging.getLogger(), io.StringIO(), structlog.get_config()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(as_json=False, level="info")
    yield written
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


def lines(written: io.StringIO) -> list[str]:
    """What was written, which holds no control character but the ends of its lines."""
    text = written.getvalue()
    assert all(each.isprintable() for each in text.replace("\n", ""))
    return text.rstrip("\n").split("\n")


@pytest.mark.parametrize(
    "value", [FORGED, [FORGED], {"name": FORGED}, Exception(FORGED)], ids=["text", "list", "dict", "error"]
)
def test_a_value_stays_in_its_line(console: io.StringIO, value: object) -> None:
    """Values of any kind, from our own code."""
    structlog.get_logger("worker").warning("processing_failed", message_id=value)
    (line,) = lines(console)
    assert "processing_failed" in line


def test_a_message_of_a_library_stays_in_its_line(console: io.StringIO) -> None:
    """What libraries log has the text from outside in the message itself."""
    logging.getLogger("uvicorn.error").warning("Invalid request: %s", FORGED)
    assert len(lines(console)) == 1


def test_a_traceback_looks_like_no_line_of_the_log(console: io.StringIO) -> None:
    """An exception's message may have lines of its own: they are indented."""
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("worker").exception("processing_failed")
    first, *rest = lines(console)
    assert "processing_failed" in first
    assert "worker_stopped" in "".join(rest)
    assert all(line.startswith("  ") for line in rest if line)
