"""Every revision is read: none does what keeps the programs of the release before from a table for long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSIONS = Path(__file__).resolve().parents[2] / "migrations/versions"
BEFORE_ANY_RELEASE = {"0001", "0002", "0003", "0004"}
FIRST_PROGRAMS = "0007"
OF_NEW_TABLES = {"create_index"}
HARMLESS = {"create_table", "get_bind", "get_context"}
ROWS = {"execute", "scalar", "scalars", "exec_driver_sql", "bulk_insert"}


def problems(source: str) -> list[str]:
    """What a revision's upgrade does that it must not, on PostgreSQL."""
    module = ast.parse(source)
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    calls = list(calls_in(functions["upgrade"], functions, apart=False))
    made = {str(literal(call.args[0])) for call, _ in calls if name_of(call).endswith("create_table")}
    found = [problem for call, apart in calls for problem in problems_of(call, made, apart=apart)]
    names = [imported for node in ast.walk(module) for imported in imports_of(node)]
    return found + [f"imports {name}: live code changes" for name in names if name.split(".")[0] == "distribution"]


def calls_in(node: ast.AST, functions: dict[str, ast.FunctionDef], *, apart: bool) -> Iterator[tuple[ast.Call, bool]]:
    """Every call, and whether it is a transaction of its own; of our own functions what they call."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("== 'sqlite'"):
        for otherwise in node.orelse:
            yield from calls_in(otherwise, functions, apart=apart)
        return
    if isinstance(node, ast.With):
        apart = apart or any("non_blocking_ddl.apart" in ast.unparse(item) for item in node.items)
    if isinstance(node, ast.Call):
        yield node, apart
        if isinstance(node.func, ast.Name) and node.func.id in functions:
            yield from calls_in(functions[node.func.id], functions, apart=apart)
    for child in ast.iter_child_nodes(node):
        yield from calls_in(child, functions, apart=apart)


def problems_of(call: ast.Call, made: set[str], *, apart: bool) -> Iterator[str]:
    """What is wrong with one call. `made`: the tables that the revision makes itself."""
    name = name_of(call)
    if name.startswith("op.") and (what := name.removeprefix("op.")) not in HARMLESS:
        of_new = what in OF_NEW_TABLES and literal(call.args[1]) in made
        if not of_new:
            yield f"{name}: locks a table that is in use; see migrations/non_blocking_ddl.py"
    elif name.split(".")[-1] in ROWS and not apart:
        yield f"{name}: takes time while the revision's transaction keeps tables locked; `update` or `apart` do not"
    elif name == "non_blocking_ddl.add_column":
        yield from problems_of_column(call.args[1])


def problems_of_column(column: ast.expr) -> Iterator[str]:
    """A column must suit programs that do not know it, and need no look at the rows."""
    assert isinstance(column, ast.Call)
    words = {word.arg: ast.unparse(word.value) for word in column.keywords}
    default = words.get("server_default")
    if words.get("nullable") == "False" and default is None:
        yield "a column that is NOT NULL without a default: programs that do not know it cannot insert"
    if default is not None and not (default[0] in "'\"" or default in ("sa.false()", "sa.true()")):
        yield f"the default {default} is no constant: the whole table is written anew"
    if "ForeignKey" in ast.unparse(column) or {"unique", "index", "primary_key"} & words.keys():
        yield "a column with a constraint or an index looks at all rows"


def name_of(call: ast.Call) -> str:
    """Such as `op.add_column`."""
    return ast.unparse(call.func) if isinstance(call.func, ast.Attribute | ast.Name) else ""


def literal(node: ast.expr) -> object:
    """The value of a literal; of anything else its text, which is no table's name."""
    return node.value if isinstance(node, ast.Constant) else ast.unparse(node)


def imports_of(node: ast.AST) -> list[str]:
    """Names of the modules that it imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def assigned(source: str, name: str) -> object:
    """The literal that a module gives a name; None if it gives none."""
    found = [n for n in ast.parse(source).body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == name]
    return literal(found[0].value) if found else None


REVISIONS = {str(assigned(text, "revision")): text for text in map(Path.read_text, sorted(VERSIONS.glob("*.py")))}


@pytest.mark.parametrize("revision", sorted(REVISIONS.keys() - BEFORE_ANY_RELEASE))
def test_a_revision_leaves_programs_at_work(revision: str) -> None:
    """No table that is in use is locked for longer than a moment, and what it adds suits programs that know nothing."""
    assert problems(REVISIONS[revision]) == []


@pytest.mark.parametrize("revision", sorted(each for each in REVISIONS if each > FIRST_PROGRAMS))
def test_a_revision_says_whose_programs_run_on_it(revision: str) -> None:
    """And it names a revision that there is, up to itself."""
    oldest = assigned(REVISIONS[revision], "oldest_program")
    assert oldest in REVISIONS
    assert str(oldest) <= revision


@pytest.mark.parametrize(
    "dangerous",
    [
        'op.create_index("ix", "contacts", ["status"])',
        'op.alter_column("contacts", "payload", nullable=False)',
        'op.execute("ALTER TABLE contacts ALTER payload TYPE jsonb")',
        'op.create_check_constraint("ck", "contacts", "true")',
        'op.create_unique_constraint("uq", "contacts", ["id"])',
        'op.create_foreign_key("fk", "contacts", "leads", ["lead_id"], ["id"])',
        'op.add_column("contacts", sa.Column("x", sa.Integer()))',
        'op.drop_column("contacts", "payload")',
        'op.drop_table("contacts")',
        'op.rename_table("contacts", "c")',
        'op.get_bind().execute(sa.text("UPDATE contacts SET sequence = 1"))',
        'helper(op.get_bind())',
        'non_blocking_ddl.add_column("contacts", sa.Column("x", sa.Integer(), nullable=False))',
        'non_blocking_ddl.add_column("contacts", sa.Column("x", sa.Uuid(), server_default=sa.func.gen_random_uuid()))',
        'non_blocking_ddl.add_column("contacts", sa.Column("x", sa.ForeignKey("leads.id")))',
        'non_blocking_ddl.add_column("contacts", sa.Column("x", sa.Integer(), unique=True))',
    ],
)  # fmt: skip
def test_what_is_dangerous_is_refused(dangerous: str) -> None:
    """Each by itself, also within a function of the revision."""
    helper = "def helper(conn):\n    conn.scalars(sa.select(contacts))\n"
    assert len(problems(f"{helper}\ndef upgrade():\n    {dangerous}\n")) == 1


def test_what_is_safe_is_not_refused() -> None:
    """New tables with their indexes, columns that others need not know, data some rows at a time, SQLite's own."""
    safe = """
def upgrade():
    op.create_table("new", sa.Column("id", sa.Uuid()))
    op.create_index("ix", "new", ["id"])
    non_blocking_ddl.add_column("contacts", sa.Column("x", sa.Integer(), nullable=False, server_default="0"))
    non_blocking_ddl.create_index("ix_2", "contacts", ["x"])
    with non_blocking_ddl.apart() as conn:
        conn.execute(sa.text("UPDATE contacts SET x = 1 WHERE id = 1"))
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE contacts")
"""
    assert problems(safe) == []
