"""Whatever stands in DATABASE_URL and AMQP_URL, and wherever: no secret of it is printed."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
import typer
from alembic.config import CommandLine
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from admin_api.settings import AdminSettings
from distribution.settings import SharedSettings
from distribution.startup import start
from examples import bot, subscriber
from worker.cli.main import app
from worker.settings import WorkerSettings

SECRET = "hush4c1d9e"  # noqa: S105  # what is looked for
ROOT = Path(__file__).parents[2]
PLACE = "127.0.0.1:1"
"""Refuses at once; nothing here waits for a network."""

around = st.text("abc123@,:/?#%&=+,[]' \"\\\n\u2100é", max_size=4)
secrets_ = st.builds(lambda before, after: before + SECRET + after, around, around)
written = secrets_ | secrets_.map(lambda secret: quote(secret, safe=""))
QUERY = (
    *("password", "port", "timeout", "command_timeout", "ssl", "passfile", "prepared_statement_cache_size"),
    *("sslmode", "sslrootcert", "sslpassword", "connect_timeout", "target_session_attrs", "options", "user"),
    *("isolation_level", "cadata", "heartbeat", "auth", "channel_max", "x"),
)
parameters = st.sampled_from(QUERY)
shapes = st.sampled_from(
    [
        "{scheme}://u:{secret}@{place}/x",
        "{scheme}://{secret}@{place}/x",
        "{scheme}://{secret}:{secret}@{place}/x",
        "{scheme}://u:p@{secret}@{place}/x",
        "{scheme}://{place}/x?{parameter}={secret}",
        "{scheme}://u:p@{place}/x?{parameter}={secret}&{parameter}={secret}",
        "{scheme}://u/{secret}:p@{place}/x",
        "{scheme}://u:1/{secret}@{place}/x",
        "{scheme}://{secret}/p@{place}/x",
        "{scheme}:///x?{parameter}={secret}",
        "{scheme}:u:{secret}@{place}/x",
        "{scheme}://u:{secret}@{place},{place}/x?{parameter}={secret}",
        "{secret}",
    ]
)


def addresses(*schemes: str) -> st.SearchStrategy[str]:
    """Addresses with the secret in one place or several; not all of them are well formed."""

    def made(shape: str, scheme: str, secret: str, parameter: str) -> str:
        return shape.format(scheme=scheme, secret=secret, parameter=parameter, place=PLACE)

    return st.builds(made, shapes, st.sampled_from(schemes), written, parameters)


@contextmanager
def nothing_left() -> Iterator[None]:
    """The log as it was before."""
    root = logging.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**before)


@pytest.fixture
def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Callable[[], object], str, str], str]:
    """Runs a program with a variable, in an empty folder; gives all that it printed."""
    for name in {*WorkerSettings.model_fields, *AdminSettings.model_fields}:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)

    def run(program: Callable[[], object], name: str, value: str) -> str:
        monkeypatch.setenv(name, value)
        with nothing_left():
            try:
                program()
            except SystemExit:
                pass
            except Exception as error:
                # What nobody catches is printed by the interpreter.
                sys.stderr.write(repr(error))
        out, err = capsys.readouterr()
        return str(out + err)

    return run


many = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
Printed = Callable[[Callable[[], object], str, str], str]


@many
@given(addresses("postgresql+asyncpg", "postgres", "sqlite+aiosqlite"))
@example(f"postgresql+asyncpg://u@{PLACE}/x?password={SECRET}")
@example(f"postgresql+asyncpg://u:p@{SECRET}@{PLACE}/x")
@example(f"postgresql+asyncpg://u@{PLACE}/x?port={SECRET}")
@example(f"sqlite+aiosqlite://u:{SECRET}@h/x")
def test_a_process_that_cannot_use_the_database(printed: Printed, url: str) -> None:
    """The worker, the API and the command line start alike."""
    without_nul = url.replace("\0", "")
    if not is_file_name(url):
        for kind in (WorkerSettings, AdminSettings):
            assert SECRET not in printed(lambda kind=kind: start("program", kind), "DATABASE_URL", without_nul)  # type: ignore[misc]  # mypy does not see a default's type


@many
@given(addresses("postgresql+asyncpg", "sqlite+aiosqlite"))
@example(f"postgresql+asyncpg://u@{PLACE}/x?prepared_statement_cache_size={SECRET}")
def test_a_migration_that_cannot_use_the_database(printed: Printed, url: str) -> None:
    """`alembic upgrade head` in a shell."""
    if not is_file_name(url):
        command = ["-c", str(ROOT / "alembic.ini"), "upgrade", "head"]
        said = printed(lambda: CommandLine("alembic").main(command), "DATABASE_URL", url)
        assert SECRET not in said


def is_file_name(url: str) -> bool:
    """Whether the secret is the name of a file: a name is shown, and a file of that name would be made."""
    return url.startswith("sqlite") and SECRET in url.partition("?")[0].partition(":///")[2]


@many
@given(addresses("amqp", "amqps"))
@example(f"amqp://u:1/{SECRET}@{PLACE}/x")
@example(f"amqp://{SECRET}/p@{PLACE}/x")
def test_a_command_that_cannot_use_the_broker(printed: Printed, url: str) -> None:
    """Settings that are refused, and connections that fail."""

    def watch() -> None:
        answer = CliRunner().invoke(app, ["watch"])
        sys.stdout.write(answer.output + repr(answer.exception))
        assert answer.exit_code

    assert SECRET not in printed(watch, "AMQP_URL", url)


@pytest.mark.parametrize(
    "url",
    [
        f"amqp://u:{SECRET}\u2100@h/",
        f"amqp://u:{SECRET}@h:port/",
        f"amqp:u:{SECRET}@{PLACE}/x",
        f"amqp://u:p@{SECRET}@{PLACE}/x",
        f"amqp://u:p@{PLACE}/x?x={SECRET}",
        SECRET,
    ],
)
@pytest.mark.parametrize(("main", "arguments"), [(bot.main, ["--source", "web"]), (subscriber.main, [])])
def test_an_example_that_cannot_use_the_broker(
    printed: Printed, main: Callable[..., None], arguments: list[str], url: str
) -> None:
    """The bot and the subscriber of the examples end with words of their own."""

    def run() -> None:
        program = typer.Typer()
        program.command()(main)
        answer = CliRunner().invoke(program, arguments)
        sys.stdout.write(answer.output + repr(answer.exception))
        assert answer.exit_code

    said = printed(run, "AMQP_URL", url)
    assert SECRET not in said
    assert "SystemExit" in said


def test_the_settings_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the test reaches the settings at all."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql+asyncpg://u:{SECRET}@{PLACE}/x")
    assert SECRET in SharedSettings().database_url.get_secret_value()
