"""Commands of `contacts-worker` and the programs where there is no database, and on terminals that are not UTF-8."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.messages import Incoming
from tests.e2e.cli import cli
from tests.e2e.programs import Programs
from tests.factories import take

ONE = "0199c2f4-0000-7000-8000-000000000001"
COMMANDS = (
    ("check",),
    ("check", "--repair"),
    ("parked", "list"),
    ("parked", "drop", ONE),
    ("parked", "replay", ONE),
)
POSIX = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ENCODINGS: tuple[dict[str, str], ...] = (
    {"PYTHONIOENCODING": "latin-1"},
    POSIX,
)
EMOJI = "\N{SLIGHTLY SMILING FACE}"


def files_in(folder: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_is_not_there_is_refused_and_not_made(programs: Programs) -> None:
    """In a folder without the default file, and with a path that is wrong: one line with the whole path, status 2."""
    del programs.settings["DATABASE_URL"]
    named = [
        (command, "nowhere/x.db", {"DATABASE_URL": "sqlite+aiosqlite:///nowhere/x.db"}) for command in COMMANDS[:1]
    ]
    for command, path, settings in [*((command, "data/contacts.db", {}) for command in COMMANDS), *named]:
        said = await cli(programs, *command, **settings)
        assert (said.status, said.out) == (2, ""), command
        (line,) = said.err.splitlines()
        assert f"There is no database {programs.folder / path}" in line
    assert files_in(programs.folder) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["worker", "admin_api"])
async def test_a_program_makes_no_file_that_it_was_told_of(programs: Programs, name: str) -> None:
    """A wrong DATABASE_URL leaves nothing behind, and the path is named."""
    program = await programs.start(name, DATABASE_URL="sqlite+aiosqlite:///nowhere/x.db")
    assert await program.ended() == 2
    (line,) = program.printed
    assert str(programs.folder / "nowhere/x.db") in line
    assert files_in(programs.folder) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_commands_that_read_say_what_they_looked_at(programs: Programs, database_url: str) -> None:
    """On standard error, the address without secrets; `--json` has it too, and so has what is not found."""
    url = sa.make_url(database_url)
    place = sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()
    for command in (("check",), ("check", "--json"), ("parked", "list")):
        said = await cli(programs, *command)
        assert (said.status, said.err) == (0, f"contacts-worker: looked at {place}\n")
    assert json.loads((await cli(programs, "check", "--json")).out)["database"] == place
    missing = await cli(programs, "parked", "show", ONE)
    assert (missing.status, missing.err) == (
        2, f"contacts-worker: There is no parked message {ONE}. Looked at {place}\n"
    )  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("settings", ENCODINGS, ids=str)
async def test_any_encoding_will_do(programs: Programs, engine: AsyncEngine, settings: dict[str, str]) -> None:
    """An emoji in what is shown, given and read is neither a traceback nor, in JSON, anything but JSON."""
    await take(engine, [Incoming(EMOJI.encode(), message_id=f"m{EMOJI}")])
    listed = await cli(programs, "parked", "list", **settings)
    assert (listed.status, "Traceback" in listed.err) == (0, False)
    shown = await cli(programs, "parked", "show", listed.out.split()[0], **settings)
    assert json.loads(shown.out)["message_id"] == f"m{EMOJI}"
    away = settings | {"AMQP_URL": "amqp://127.0.0.1:1/"}
    line = json.dumps({"message_id": EMOJI, "source": "web", "lead": {"external_id": EMOJI}}, ensure_ascii=False)
    for said in (
        await cli(programs, "publish", "--source", "web", "--external-id", EMOJI, **away),
        await cli(programs, "publish", "--file", "-", stdin=line, **away),
    ):
        assert (said.status, "no broker can be connected to" in said.err) == (2, True), said.err
        assert "Traceback" not in said.err
