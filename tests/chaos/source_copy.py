"""A copy of the code to run: what is edited in the meantime, or planted, is in nobody else's way."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("distribution", "serving", "worker", "admin_api", "migrations", "tests", "devservices")


def copy_source(code: Path) -> Path:
    """Copy the packages to a new folder, with what is compiled of them; returns it."""
    for package in PACKAGES:
        # What another process is just compiling may be gone by the time it would be copied.
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("*.pyc.*"))
    return code
