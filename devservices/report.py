"""Short progress lines for the person in front of the terminal."""

import sys


def say(service: str, text: str) -> None:
    """Print one line to standard error."""
    print(f"{service}: {text}", file=sys.stderr, flush=True)
