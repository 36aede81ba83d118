"""One log for people (console) and machines (JSON lines); library loggers go the same way."""

import logging
import sys
from io import StringIO
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from distribution.terminal import escaped

TRACEBACKS = ("exception", "stack")


def configure(as_json: bool, level: str) -> None:
    """Route structlog and the standard library's loggers to standard error in one format."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _drop_color_message,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # The renderer's own choice of traceback would print local variables, and with them tokens and addresses.
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    as_lines: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(as_lines if as_json else [_escape_values, console]),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiormq", "aio_pika", "aiosqlite", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # It logs a traceback for every lost connection, which worker/broker/supervisor.py then logs in one line.
    logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)


def _drop_color_message(_logger: object, _method: str, entry: EventDict) -> EventDict:
    """Uvicorn passes each message a second time, with escape codes."""
    entry.pop("color_message", None)
    return entry


def _escape_values(_logger: object, _method: str, entry: EventDict) -> EventDict:
    """Escape the values: only they hold input from outside. The JSON renderer escapes them itself."""
    return {key: _escape_value(key, value) for key, value in entry.items()}


def _escape_value(key: str, value: object) -> object:
    if key == "exc_info" or isinstance(value, int | float | None):
        return value
    if key in TRACEBACKS and isinstance(value, str):
        return _escape_lines(value)
    return escaped(value if isinstance(value, str) else repr(value))


def _write_traceback(out: TextIO, error: ExcInfo) -> None:
    buffer = StringIO()
    structlog.dev.plain_traceback(buffer, error)
    out.write(_escape_lines(buffer.getvalue()))


def _escape_lines(text: str) -> str:
    # Indented, since the message of an exception may hold line breaks: none of its lines may look like one of the log.
    return "\n".join(f"  {escaped(line)}" for line in text.rstrip("\n").split("\n"))
