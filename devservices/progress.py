"""Short progress lines for the person in front of the terminal."""

import sys

from distribution.terminal import escaped


def say(service: str, text: str) -> None:
    """Print one line to standard error."""
    print(escaped(f"{service}: {text}"), file=sys.stderr, flush=True)
