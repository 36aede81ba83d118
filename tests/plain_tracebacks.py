"""Tracebacks in the log of the tests."""

import structlog


def log_plain_tracebacks() -> None:
    """Log tracebacks without local variables, as our programs do: formatting them took a test up to a minute."""
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])
