"""`python -m admin_api`."""

import signal
import socket
import sys
from random import SystemRandom
from types import FrameType

import structlog
import uvicorn

from admin_api.app import create_app
from admin_api.http.app_context import Context
from admin_api.settings import AdminSettings
from distribution.startup import exit_with_error, start
from distribution.store.database import Database
from distribution.store.engine import create_engine
from serving.client_limits import Limits, body_seconds, connections_within
from serving.config import Config

PROGRAM = "admin_api"
STOP_SECONDS = 15
"""Less than the 20 s that a supervisor allows (docker-compose.yml): the rest of the shutdown takes time too."""
HOW_TO_SET = "ADMIN_API_TOKENS=admin:$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_on_signal)
    settings = start(PROGRAM, AdminSettings)
    listener = _listen(settings.admin_api_host, settings.admin_api_port)
    log = structlog.get_logger(PROGRAM)
    if not settings.tokens.known:
        log.warning("api_tokens_missing", meaning="every request but health is refused", set_one_with=HOW_TO_SET)
    limits = Limits(
        connections=connections_within(settings.admin_api_max_connections),
        body=body_seconds(max(settings.max_message_bytes, settings.admin_api_max_body_bytes)),
    )
    port = listener.getsockname()[1]
    log.info("listening", host=settings.admin_api_host, port=port, most_connections=limits.connections)
    app = create_app(_context(settings))
    config = Config(app, limits, settings.admin_api_trusted_proxies, timeout_graceful_shutdown=STOP_SECONDS)
    uvicorn.Server(config).run([listener])
    return 0


def _context(settings: AdminSettings) -> Context:
    return Context(
        database=Database(create_engine(settings.database_url.get_secret_value()), SystemRandom()),
        tokens=settings.tokens,
        decoder=settings.decoder,
        max_admin_bytes=settings.admin_api_max_body_bytes,
        metrics_public=settings.metrics_public,
    )


def _exit_on_signal(_: int, __: FrameType | None) -> None:
    # The server raises the signal again once it has stopped; unhandled, it would end the process as if killed.
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        exit_with_error(PROGRAM, f"ADMIN_API_HOST, ADMIN_API_PORT: cannot listen on {host}:{port}: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main())
