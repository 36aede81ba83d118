"""Removes invisible characters, which are copied unnoticed from chats and address books."""

import re

# Unicode's Default_Ignorable_Code_Point and Bidi_Control, and the control characters that are not white space.
INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """The text without its invisible characters and the white space around it."""
    if not (text.isascii() and text.isprintable()):
        text = INVISIBLE.sub("", text)
    return text.strip()
