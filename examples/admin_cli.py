"""The admin's first steps as commands: `python -m examples.admin_cli --help`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import httpx2
import typer

from distribution.terminal import escaped, escaped_json, say, tolerate_any_encoding, utf8_arguments
from examples.admin import Admin, ApiError, connect_admin
from examples.exact_json import shown


@dataclass(frozen=True)
class Access:
    """The API's address and a token for it."""

    api_url: str
    token: str

    def do(self, work: Callable[[Admin], Awaitable[object]]) -> object:
        """Run `work` as an admin; an error becomes one line and exit status 1."""
        try:
            return asyncio.run(self._do(work))
        except (ApiError, httpx2.HTTPError) as error:
            say(escaped(f"{error}"), err=True)
            raise typer.Exit(1) from None

    async def _do(self, work: Callable[[Admin], Awaitable[object]]) -> object:
        async with connect_admin(self.api_url, self.token) as admin:
            return await work(admin)


def access(
    context: typer.Context,
    token: Annotated[str, typer.Option(envvar="ADMIN_TOKEN", help="A token with the role admin.")],
    api_url: Annotated[str, typer.Option(envvar="ADMIN_API_URL")] = "http://127.0.0.1:8000",
) -> None:
    """Set up operators, sources and weights, and read what came of them."""
    context.obj = Access(api_url.rstrip("/"), token)


def operator(context: typer.Context, name: str, limit: int = 10) -> None:
    """Make an operator with a limit of active contacts."""
    _show(_access(context).do(lambda admin: admin.create_operator(name, limit)))


def source(context: typer.Context, code: str, name: str) -> None:
    """Make a source."""
    _show(_access(context).do(lambda admin: admin.create_source(code, name)))


def weights(context: typer.Context, source_id: int, weight: list[str]) -> None:
    """Replace the weights of a source: OPERATOR_ID=WEIGHT, as many as there are operators."""
    new_weights = dict(_pair(text) for text in weight)

    async def replace(admin: Admin) -> object:
        await admin.set_weights(source_id, new_weights)
        return await admin.weights(source_id)

    _show(_access(context).do(replace))


def leads(context: typer.Context) -> None:
    """Print the leads with their contacts."""
    _show(_access(context).do(lambda admin: admin.leads()))


def contacts(context: typer.Context) -> None:
    """Print the contacts, newest first."""
    _show(_access(context).do(lambda admin: admin.contacts()))


def parked(context: typer.Context) -> None:
    """Print the parked messages with their reasons."""
    _show(_access(context).do(lambda admin: admin.parked()))


def commands() -> typer.Typer:
    """The command line."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(access)
    for command in (operator, source, weights, leads, contacts, parked):
        app.command()(command)
    return app


def _pair(text: str) -> tuple[int, int]:
    operator_id, _, weight = text.partition("=")
    try:
        return int(operator_id), int(weight)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not OPERATOR_ID=WEIGHT") from None


def _access(context: typer.Context) -> Access:
    stored = context.obj
    if not isinstance(stored, Access):
        raise typer.Exit(1)
    return stored


def _show(result: object) -> None:
    say(escaped_json(shown(result)))


if __name__ == "__main__":
    tolerate_any_encoding()
    commands()(utf8_arguments())
