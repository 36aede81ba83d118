"""Other releases: the previous one, from the repository's history, and a later one with an additional revision."""

import os
import subprocess
from pathlib import Path

from alembic import command

from distribution.store import schema

ROOT = Path(schema.__file__).parents[2]
BEFORE = "42f79966ab6ce5570e72ba11aa2272beeba229a6"
"""The last commit of the previous release. It compares its revision with `alembic_version` alone."""
REVISION_BEFORE = "0007"
LATER = "9001"
LATER_REVISION = """
import sqlalchemy as sa
from alembic import op
from migrations import non_blocking_ddl

revision, down_revision, branch_labels, depends_on = "{revision}", "{down}", None, None
oldest_program = "{oldest}"


def upgrade() -> None:
    non_blocking_ddl.add_column("contacts", sa.Column("colour", sa.String(16), nullable=False, server_default="grey"))
    non_blocking_ddl.create_index("ix_contacts_colour_id", "contacts", ["colour", "id"])
    if op.get_bind().dialect.name == "postgresql":
        non_blocking_ddl.add_unique("uq_contacts_id_colour", "contacts", ["id", "colour"])
        non_blocking_ddl.drop_constraint("ck_contacts_nothing", "contacts")


def downgrade() -> None:
    non_blocking_ddl.drop_index("ix_contacts_colour_id", "contacts")
"""


def code_before(folder: Path) -> Path:
    """The code of the previous release; needs the repository with its history."""
    archive = folder / "before.tar"
    command_line = ["git", "-C", str(ROOT), "archive", "--output", str(archive), BEFORE]
    result = subprocess.run(command_line, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if result.returncode:
        raise AssertionError(
            f"the release before ({BEFORE[:7]}) cannot be run on the newest schema, since this clone does not have it:"
            f" clone with the whole history (git fetch --unshallow): {result.stderr.strip()}"
        )
    code = folder / "before"
    code.mkdir()
    subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={code}"], check=True)  # noqa: S603, S607  # our own words
    # The previous release needs this package, only for its pages under /docs.
    pages = code / "flask_swagger_ui" / "dist"
    pages.mkdir(parents=True)
    (pages.parent / "__init__.py").touch()
    return code


def upgrade_to_later(database_url: str, folder: Path, oldest_program: str) -> None:
    """Upgrade with a release that has one more revision, which says from which revision on programs run on it."""
    words = {"revision": LATER, "down": schema.known_revision(), "oldest": oldest_program}
    folder.mkdir()
    (folder / f"{LATER}_later.py").write_text(LATER_REVISION.format(**words), encoding="utf-8")
    later = schema.config(database_url)
    later.set_main_option("path_separator", "os")
    later.set_main_option("version_locations", os.pathsep.join([str(ROOT / "migrations" / "versions"), str(folder)]))
    later.attributes["upgrading"] = True
    command.upgrade(later, "head")
