"""Text from outside, made harmless for a terminal: it cannot steer the terminal, reorder or forge a line."""

import os
import signal
import sys
from io import TextIOWrapper
from unicodedata import category

# Control characters, invisible formatting (bidirectional overrides among it), lone surrogates, line and paragraph ends.
UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
READER_GONE = 128 + signal.SIGPIPE
"""What shells show of a process that SIGPIPE ended."""
JOINERS = "\u200c\u200d"
"""Invisible and harmless: Persian words and emoji are written with them."""


def escaped(text: str) -> str:
    r"""The text in one line, with every unsafe character as a visible escape such as `\x1b` or `\n`."""
    if text.isprintable():
        return text
    return "".join(each.encode("unicode_escape").decode() if _is_unsafe(each) else each for each in text)


def escaped_json(document: str) -> str:
    r"""The same JSON document with unsafe characters as `\u` escapes; line breaks between its tokens stay.

    So are those that standard output's encoding lacks: what `tolerate_any_encoding` writes for them is not JSON.
    """
    encoding = sys.stdout.encoding or "utf-8"
    return "".join(_json_escape(each) if _is_unsafe(each) or not _fits(each, encoding) else each for each in document)


def utf8_arguments() -> list[str]:
    """The arguments of this process as UTF-8, independent of the locale; raises UnicodeDecodeError."""
    return [os.fsencode(argument).decode() for argument in sys.argv[1:]]


def tolerate_any_encoding() -> None:
    """Let standard output and error escape what their encoding lacks, instead of raising UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, err: bool = False) -> None:
    """Print a line at once. Where its reader has gone, as in `… | head`, end in silence as SIGPIPE would end us.

    Not by that signal itself: it would end a process whose broker or database hangs up as well.
    """
    stream = sys.stderr if err else sys.stdout
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except BrokenPipeError:
        # What is still in the stream's buffer has nowhere to go, and Python would complain about it at exit.
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
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
