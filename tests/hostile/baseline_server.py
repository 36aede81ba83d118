"""An empty application, served our way or by plain uvicorn: `python -m tests.hostile.baseline_server h11`."""

import socket
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from serving.client_limits import Limits
from serving.config import Config

HEADERS = [(b"content-length", b"2")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with 200 and `ok`."""
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"ok"})


def main(kind: str) -> None:
    """Serve until a signal comes; prints the port."""
    if kind == "ours":
        config: uvicorn.Config = Config(app, Limits(connections=1000), lifespan="off")
    else:
        config = uvicorn.Config(app, http=kind, log_config=None, access_log=False, lifespan="off")
    with socket.create_server((config.host, 0)) as listening:
        print(listening.getsockname()[1], flush=True)  # noqa: T201 - read by the process that started this one
        uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main(sys.argv[1])
