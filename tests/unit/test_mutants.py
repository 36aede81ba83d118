"""The faults that the judge of the chaos runs must see can still be planted."""

from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", MUTANTS, ids=lambda fault: fault.name)
def test_a_fault_fits_the_code(fault: Mutant) -> None:
    """Each text that it replaces is in its file exactly once."""
    for edit in fault.edits:
        assert (ROOT / edit.file).read_text(encoding="utf-8").count(edit.old) == 1, edit.file
