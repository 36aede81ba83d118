"""Liveness, readiness and metrics."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import TypedDict

from admin_api.auth import EVERYBODY, READERS, authenticate, authorize
from admin_api.operations import Answer, Call, Operation
from distribution.errors import SchemaError
from distribution.store import schema
from distribution.store.failures import in_words

READY_SECONDS = 2.0


class HealthShape(TypedDict):
    """The process answers."""

    status: str


class ReadinessShape(TypedDict):
    """Whether requests can be served, and what is in the way."""

    status: str
    problems: list[str]


async def healthz(_: Call) -> Answer:
    """The process runs its loop."""
    return Answer(200, HealthShape(status="ok"))


async def readyz(call: Call) -> Answer:
    """The database answers in time and has the schema that this program knows."""
    problem = await _problem(call.context.engine)
    if problem is not None:
        return Answer(503, ReadinessShape(status="not ready", problems=[problem]))
    return Answer(200, ReadinessShape(status="ready", problems=[]))


async def metrics(call: Call) -> Answer:
    """Prometheus text; for readers, unless METRICS_PUBLIC opens it to everybody."""
    if not call.context.metrics_public:
        authorize(authenticate(call.headers, call.context.tokens), READERS)
    return Answer(200, call.context.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _problem(engine: AsyncEngine) -> str | None:
    check = asyncio.create_task(schema.check(engine))
    await asyncio.wait({check}, timeout=READY_SECONDS)
    if not check.done():
        # Not awaited: a driver may take long to give up a connection that hangs.
        check.cancel()
        return f"The database does not answer within {READY_SECONDS:.0f} s."
    error = check.exception()
    if error is None:
        return None
    if isinstance(error, SchemaError):
        return str(error)
    return f"The database cannot be used: {in_words(error) if isinstance(error, Exception) else 'cancelled'}"


OPERATIONS = (
    Operation("GET", "/healthz", "Liveness", healthz, EVERYBODY, {200: HealthShape}),
    Operation("GET", "/readyz", "Readiness", readyz, EVERYBODY, {200: ReadinessShape, 503: ReadinessShape}),
    Operation("GET", "/metrics", "Metrics", metrics, EVERYBODY, {200: str}, (401, 403)),
)
