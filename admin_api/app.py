"""The application: its routes, middleware and lifespan."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from admin_api.http.app_context import Context
from admin_api.http.endpoint import Endpoint
from admin_api.http.metrics import MetricsMiddleware, backlog_measured
from admin_api.http.operation import Operation
from admin_api.http.problems import problem_of, respond
from admin_api.routes import all_operations
from admin_api.routes.docs import static_files
from distribution.store.engine import dispose


def create_app(context: Context) -> Starlette:
    """Returns the API for a context; the database engine is disposed of when the application ends."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with backlog_measured(context.database, context.metrics.registry):
            yield
        await dispose(context.database.engine)

    app = Starlette(
        routes=[*routes(context, all_operations()), static_files()],
        exception_handlers={HTTPException: problem_response},
        middleware=[Middleware(MetricsMiddleware, metrics=context.metrics)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = Endpoint(context)
    return app


def routes(context: Context, operations: Iterable[Operation]) -> list[Route]:
    """Returns one route per path, so that a 405 response lists all allowed methods."""
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    return [Route(path, Endpoint(context, of_path)) for path, of_path in by_path.items()]


async def problem_response(_: Request, error: Exception) -> Response:
    """Returns the response if static files raise: a problem like all others."""
    return respond(problem_of(error))
