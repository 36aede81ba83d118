"""Copies the code for a run, so that concurrent edits and planted faults do not affect each other."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("distribution", "serving", "worker", "admin_api", "migrations", "tests", "devservices")


def copy_source(code: Path) -> Path:
    """Copy the packages, with their compiled files, to a new folder; returns it."""
    for package in PACKAGES:
        # A file that another process is compiling may be gone by the time it would be copied.
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("*.pyc.*"))
    return code
