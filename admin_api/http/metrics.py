"""Requests counted and timed, and the backlog, for Prometheus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distribution.backlog_metrics import BacklogGauges
from distribution.store.database import Database

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
GAUGES_STOP_SECONDS = 2


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "contacts_api_requests", "Requests handled.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "contacts_api_request_duration_seconds",
            "Time per request.",
            ("route", "method"),
            registry=self.registry,
        )

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def text(self) -> bytes:
        """Returns all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Middleware that counts requests; unknown paths and methods share one label."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it with its status and duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 0

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            route, method = scope.get("route"), scope["method"]
            self._metrics.count(
                route.path if isinstance(route, Route) else OTHER,
                method if method in KNOWN_METHODS else OTHER,
                status,
                perf_counter() - started,
            )


@asynccontextmanager
async def backlog_measured(database: Database, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Keep the backlog's gauges up to date while the context is open."""
    gauges, stopping = BacklogGauges(database), asyncio.Event()
    registry.register(gauges)
    reading = asyncio.create_task(gauges.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait({reading}, timeout=GAUGES_STOP_SECONDS)
        reading.cancel()
        # Not for longer: a driver may take long to give up a connection that hangs.
        await asyncio.wait({reading}, timeout=GAUGES_STOP_SECONDS)
        registry.unregister(gauges)
