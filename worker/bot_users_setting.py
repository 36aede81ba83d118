"""BOT_USERS: which sources each broker user may use, as `user=source+source,user=source`."""

from collections.abc import Mapping

from distribution.messages import MAX_KEY_BYTES, SOURCE_CODE


def parse_bot_users(text: str) -> Mapping[str, frozenset[str]]:
    """Source codes by user; raises ValueError that names the entry. A user name may contain anything but comma and `=`.

    Never empty: an empty mapping would allow every user every source.
    """
    users: dict[str, frozenset[str]] = {}
    for number, entry in enumerate(filter(str.strip, text.split(",")), start=1):
        user, equals, codes = (part.strip() for part in entry.partition("="))
        sources = frozenset(code.strip() for code in codes.split("+"))
        if not user or not equals or len(user.encode()) > MAX_KEY_BYTES:
            raise ValueError(f"entry {number} is not user=source+source")
        if not all(map(SOURCE_CODE.fullmatch, sources)):
            raise ValueError(f"entry {number} has a source that is not 1 to 64 of a-z 0-9 _ -")
        if user in users:
            raise ValueError(f"entry {number} names a user of an earlier entry again")
        users[user] = sources
    if not users:
        raise ValueError("names no user; leave it empty to allow every user every source")
    return users
