"""What is said of a database that cannot be used: the reason, and nothing secret."""

import pytest

from distribution.store.database_address import unusable

SAID = "a server at h: no such file, and no ssl"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+asyncpg://u@h/n?ssl=",
        "postgresql+asyncpg://u:@h/n",
        "postgresql+asyncpg://u:a@h/n",
        "postgresql+asyncpg://u:no@h/n",
    ],
)
def test_what_is_empty_or_a_letter_or_two_hides_nothing(address: str) -> None:
    """A reason full of asterisks would be of no use."""
    assert str(unusable(address, OSError(SAID))).endswith(f"cannot be used: {SAID}")


@pytest.mark.parametrize("form", ["p@ss word", "p%40ss%20word", "p%40ss+word"])
def test_a_password_is_taken_out_in_every_form(form: str) -> None:
    """As it is, and as it stands in an address."""
    told = str(unusable("postgresql+asyncpg://u:p%40ss%20word@h/n?ssl=abc", ValueError(f"{form} with abc is wrong")))
    assert told.endswith("cannot be used: ValueError: *** with *** is wrong")


def test_a_password_of_several_lines() -> None:
    """It is taken out before the reason is cut to its first line."""
    told = str(unusable("postgresql://u:first%0Asecond@h/n", ValueError("wrong: first\nsecond\nand more")))
    assert told.endswith("cannot be used: ValueError: wrong: ***")
