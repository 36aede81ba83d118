"""Which databases are refused at the start."""

from dataclasses import replace
from typing import Any

import pytest

from distribution.store.database_requirements import ServerInfo, of_postgresql

GOOD = ServerInfo("UTF8", "15.4", 150_004, standby=False, read_only=False, schema="public", may_create=True)


def test_what_is_usual_is_fit() -> None:
    """Nothing is in the way."""
    assert list(of_postgresql(GOOD)) == []
    assert list(of_postgresql(replace(GOOD, may_create=False))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "LATIN1"}, "its encoding is LATIN1, which cannot hold every name and message"),
        ({"encoding": "SQL_ASCII"}, "its encoding is SQL_ASCII"),
        ({"number": 120_022, "version": "12.22"}, "it is PostgreSQL 12.22, which is older than 13"),
        ({"standby": True}, "it is a standby, which takes no writes"),
        ({"read_only": True}, "default_transaction_read_only is on"),
        ({"schema": None}, "no schema in the search_path"),
    ],
)
def test_what_is_not(change: dict[str, Any], words: str) -> None:
    """One sentence says why."""
    (said,) = of_postgresql(replace(GOOD, **change))
    assert words in said
