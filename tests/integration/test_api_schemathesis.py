"""The running API keeps to its own document, whatever is sent: schemathesis with all its checks, for every role."""

import asyncio
import re
import sys
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import make_operator, make_source, message, messages, take
from tests.integration.api_client import TOKENS
from tests.integration.api_process import environment, running

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
CASES_PER_OPERATION = 3
FEWEST_CASES = 100
SECONDS = 120
WRONG_TOKENS = "ignored_auth"
"""Expects 401 of each, and would wait a second for each of the many that are 429; test_api_access.py has them all."""
ALL_PHASES, WITHOUT_COVERAGE = "examples,coverage,fuzzing,stateful", "examples,fuzzing,stateful"


async def fill(engine: AsyncEngine) -> None:
    """Something of everything: the ids that the document's examples name, waiting and active contacts, parked ones."""
    await make_source(engine, {await make_operator(engine, limit=5): 30})
    await take(engine, messages((f"m{number}" for number in range(12)), phone="+79991234567"))
    await take(engine, [message(f"p{number}", source="nowhere") for number in range(5)])


async def check_with(url: str, role: str, phases: str, folder: Path) -> str:
    """What schemathesis reports about the API as this role sees it.

    It runs in a process of its own: it keeps state per process, and warns of its own matters, which here are errors.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {TOKENS[role]}", "--no-color",
        "--phases", phases, "--generation-deterministic", "--max-examples", str(CASES_PER_OPERATION),
        "--exclude-checks", WRONG_TOKENS,
        cwd=folder, env=environment(SCHEMATHESIS_HOOKS=str(HOOKS)),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"as {role}:\n{output.decode()}"
    return output.decode()


def plan(database_url: str) -> dict[str, str]:
    """The phases for each role.

    The edges of every field, more than a thousand requests, for the role that gets to them; what the others may not
    is the same on either database.
    """
    if database_url.startswith("sqlite"):
        return dict.fromkeys(TOKENS, WITHOUT_COVERAGE) | {"admin": ALL_PHASES}
    return {"admin": WITHOUT_COVERAGE}


async def test_the_api_keeps_to_its_document(database_url: str, engine: AsyncEngine, tmp_path: Path) -> None:
    """No 500, no answer that the document does not have, no wrong input taken, no good input refused, for any role."""
    await fill(engine)
    tokens = ",".join(f"{role}:{token}" for role, token in TOKENS.items())
    with running(tmp_path, DATABASE_URL=database_url, ADMIN_API_TOKENS=tokens) as (_, url):
        async with asyncio.TaskGroup() as checks:
            tasks = [
                checks.create_task(check_with(url, role, phases, tmp_path))
                for role, phases in plan(database_url).items()
            ]
    for report in (task.result() for task in tasks):
        found = re.search(r"(\d+) generated, (\d+) passed", report)
        assert found, report
        assert int(found[1]) == int(found[2]) > FEWEST_CASES
