"""Text from outside, made harmless for a terminal: it cannot steer the terminal, reorder or forge a line."""

import os
import signal
import sys
from io import TextIOWrapper
from unicodedata import category

# Control characters, invisible formatting such as bidirectional overrides, lone surrogates, line and paragraph ends.
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
READER_GONE = 128 + signal.SIGPIPE
"""The exit status that shells report for a process ended by SIGPIPE."""
JOINERS = "\u200c\u200d"
"""Invisible but harmless: Persian words and emoji are written with them."""


def escaped(text: str) -> str:
    r"""Returns the text in one line, with every unsafe character as a visible escape such as `\x1b` or `\n`."""
    if text.isprintable():
        return text
    return "".join(char.encode("unicode_escape").decode() if _is_unsafe(char) else char for char in text)


def escaped_json(document: str) -> str:
    r"""Returns the JSON document with unsafe characters as `\u` escapes; line breaks between its tokens stay.

    Characters that standard output's encoding lacks are escaped too: what `tolerate_any_encoding` writes for them is
    not JSON.
    """
    encoding = sys.stdout.encoding or "utf-8"
    return "".join(_json_escape(char) if _is_unsafe(char) or not _fits(char, encoding) else char for char in document)


def utf8_arguments() -> list[str]:
    """The arguments of this process as UTF-8, independent of the locale; raises UnicodeDecodeError."""
    return [os.fsencode(argument).decode() for argument in sys.argv[1:]]


def tolerate_any_encoding() -> None:
    """Let standard output and error escape what their encoding lacks, instead of raising UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, err: bool = False) -> None:
    """Print a line at once. If the reader is gone, as in `… | head`, end silently, with the status of SIGPIPE.

    Not by that signal itself: it would also end a process whose broker or database closes the connection.
    """
    stream = sys.stderr if err else sys.stdout
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        # What is still in the stream's buffer cannot be written, and Python would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(READER_GONE) from None


def _is_unsafe(character: str) -> bool:
    return category(character) in UNSAFE and character not in JOINERS


def _fits(character: str, encoding: str) -> bool:
    try:
        return character.isascii() or bool(character.encode(encoding))
    except UnicodeEncodeError:
        return False


def _json_escape(character: str) -> str:
    # A raw control character below a space stands between tokens, where it is white space, never within a string.
    if character < " ":
        return character if character == "\n" else " "
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[offset : offset + 2].hex()}" for offset in range(0, len(units), 2))
