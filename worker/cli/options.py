"""Options that take one of a few words."""

from collections.abc import Callable, Sequence

import typer


def list_words(known: Sequence[str]) -> str:
    """All of them, for the help."""
    return f"{', '.join(known[:-1])} or {known[-1]}"


def one_of(known: Sequence[str]) -> Callable[[str | None], str | None]:
    """A callback that refuses any other word, and names those that it knows."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise typer.BadParameter(f"{value!r} is not known, expected {list_words(known)}")
        return value

    return check
