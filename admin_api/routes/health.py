"""Liveness, readiness and metrics."""

from prometheus_client import CONTENT_TYPE_LATEST
from typing_extensions import TypedDict

from admin_api.http.auth import EVERYBODY, READERS, authorize
from admin_api.http.operation import ApiRequest, ApiResponse, Operation


class HealthShape(TypedDict):
    """The process is alive."""

    status: str


class ReadinessShape(TypedDict):
    """Whether requests can be served, and what prevents it."""

    status: str
    problems: list[str]


async def healthz(_: ApiRequest) -> ApiResponse:
    """The process is alive."""
    return ApiResponse(200, HealthShape(status="ok"))


async def readyz(call: ApiRequest) -> ApiResponse:
    """The database responds in time and has a schema that this program supports."""
    problem = await call.context.readiness.problem(call.context.database.engine)
    if problem is not None:
        return ApiResponse(503, ReadinessShape(status="not ready", problems=[problem]))
    return ApiResponse(200, ReadinessShape(status="ready", problems=[]))


async def metrics(call: ApiRequest) -> ApiResponse:
    """Prometheus text; for readers, unless METRICS_PUBLIC makes it public."""
    if not call.context.metrics_public:
        authorize(await call.context.guesses.identify(call.headers, call.host, call.context.tokens), READERS)
    return ApiResponse(200, call.context.metrics.text(), media_type=CONTENT_TYPE_LATEST)


OPERATIONS = (
    Operation("GET", "/healthz", "Liveness", healthz, EVERYBODY, {200: HealthShape}),
    Operation("GET", "/readyz", "Readiness", readyz, EVERYBODY, {200: ReadinessShape, 503: ReadinessShape}),
    Operation("GET", "/metrics", "Metrics", metrics, EVERYBODY, {200: str}, problems=(401, 403, 429)),
)
