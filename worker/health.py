"""/healthz, /readyz and /metrics of the worker."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.client_limits import Limits, connections_within
from serving.config import Config
from worker.metrics import Metrics
from worker.readiness import Readiness

MOST_CONNECTIONS = 64
STOP_SECONDS = 5


class HealthServer(uvicorn.Server):
    """Uvicorn as one component of the process: it handles no signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


def create_server(readiness: Readiness, metrics: Metrics) -> HealthServer:
    """The server; `serve(sockets=[…])` runs it, `should_exit` ends it."""
    app = Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", prometheus)])
    app.state.readiness, app.state.metrics = readiness, metrics
    limits = Limits(connections_within(MOST_CONNECTIONS))
    return HealthServer(Config(app, limits, lifespan="off", timeout_graceful_shutdown=STOP_SECONDS))


async def healthz(_: Request) -> Response:
    """The process is alive."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether messages are consumed and events published; if not, the problems."""
    readiness: Readiness = request.app.state.readiness
    details = {"details": readiness.details} if readiness.details else {}
    if readiness.problems:
        return JSONResponse({"status": "not ready", "problems": readiness.problems, **details}, status_code=503)
    return JSONResponse({"status": "ready", **details})


async def prometheus(request: Request) -> Response:
    """Metrics in Prometheus text format."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
