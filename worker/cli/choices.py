"""Options that take one of a few words."""

from collections.abc import Callable, Sequence

import typer


def list_words(known: Sequence[str]) -> str:
    """All words, for the help text."""
    return f"{', '.join(known[:-1])} or {known[-1]}"


def one_of(known: Sequence[str]) -> Callable[[str | None], str | None]:
    """A callback that rejects any other word, and lists the known ones."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise typer.BadParameter(f"{value!r} is not known, expected {list_words(known)}")
        return value

    return check
