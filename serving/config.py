"""How uvicorn is set up here."""

import logging
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from serving.client_limits import Limits
from serving.connections import Connections

HEADERS = [("X-Content-Type-Options", "nosniff")]
PROTOCOL_LOGGER = "uvicorn.error.protocol"


class Config(uvicorn.Config):
    """Uvicorn's configuration with limits on its clients.

    `trusted_proxies`: addresses and networks, comma-separated, whose X-Forwarded-For is trusted. Other options are
    uvicorn's.
    """

    def __init__(self, app: ASGIApp, limits: Limits, trusted_proxies: str = "", **options: Any) -> None:
        super().__init__(
            app,
            http="serving.protocol:Protocol",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            headers=HEADERS,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            **options,
        )
        self.clients = Connections(limits)
        # It warns of each malformed request, so a client could flood the log.
        logging.getLogger(PROTOCOL_LOGGER).setLevel(logging.ERROR)
