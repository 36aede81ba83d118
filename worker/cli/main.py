"""The commands of `contacts-worker`."""

from typing import Annotated

import typer

from distribution.release import VERSION
from distribution.startup import exit_with_error
from distribution.terminal import tolerate_any_encoding, utf8_arguments
from worker import __main__ as worker
from worker.cli import parked
from worker.cli.consistency import check
from worker.cli.publish import publish
from worker.cli.session import PROGRAM
from worker.cli.watch import watch


def _print_version(*, requested: bool) -> None:
    if requested:
        typer.echo(f"{PROGRAM} {VERSION}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Contact Distribution at the command line. Settings come from the environment or .env, as for the worker.",
)

app.command()(check)
app.add_typer(parked.app, name="parked")
app.command()(publish)
app.command()(watch)


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the release.")
    ] = False,
) -> None:
    """Options that stand before a command."""


@app.command()
def run() -> None:
    """Run the worker, as `python -m worker` does."""
    raise typer.Exit(worker.main())


def main() -> None:
    """The entry point."""
    tolerate_any_encoding()
    try:
        arguments = utf8_arguments()
    except UnicodeDecodeError:
        exit_with_error(PROGRAM, "an argument is not UTF-8")
    app(arguments)


if __name__ == "__main__":
    main()
