"""The release, said once."""

import re
from importlib.metadata import version
from pathlib import Path

from typer.testing import CliRunner

from distribution.release import VERSION
from worker.cli.main import app

ROOT = Path(__file__).parents[2]


def test_the_package_and_the_command_line_say_the_same() -> None:
    """What `pip show` and `contacts-worker --version` tell."""
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"contacts-worker {VERSION}\n")
    assert version("contact-distribution") == VERSION


def test_the_changelog_has_the_release() -> None:
    """Its newest section is this release's."""
    sections = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections[0] == VERSION


def test_no_second_web_framework_is_installed_in_production() -> None:
    """Swagger UI comes without the framework that it is often packed for."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"^(?:flask|werkzeug|django|fastapi|jinja2)\b.*", lock, re.MULTILINE) == []
