"""Tokens and roles."""

import pytest
from starlette.datastructures import Headers

from admin_api.http.auth import Identity, Role, authenticate, authorize, parse_tokens
from admin_api.http.problems import RequestRejected

GOOD = "verysecret-567890"


def test_entries_have_a_role_perhaps_a_name_and_a_token() -> None:
    """Spaces around an entry and empty entries do not matter; the name may be left out."""
    tokens = parse_tokens(" admin:olga:s3cret-of-an-admin , bot:b~!-of-sixteen-., ,viewer:viewers-and-ever ,")
    assert tokens.identity_of(b"s3cret-of-an-admin") == Identity(Role.ADMIN, "olga")
    assert tokens.identity_of(b"b~!-of-sixteen-.") == Identity(Role.BOT)
    assert tokens.identity_of(b"viewers-and-ever") == Identity(Role.VIEWER)
    assert tokens.identity_of(b"") is None
    assert tokens.identity_of(b"s3cret-of-an-admi") is None


def test_no_entries_are_no_tokens() -> None:
    """The setting may be empty."""
    assert parse_tokens(" , ").known == ()


@pytest.mark.parametrize(
    "text",
    [
        GOOD, "admin:", f":{GOOD}", f"Admin:{GOOD}", f"{GOOD}:{GOOD}", "admin:verysecret verysecret",
        "admin:verysecret\tverysecret", f"admin:ö-{GOOD}", f"admin:a:b:{GOOD}", f"admin::{GOOD}",
        f"admin:o o:{GOOD}", f"bot:{GOOD},admin:{GOOD}", f"admin:{GOOD}\0", f"admin:{GOOD * 31}",
        "admin:v", f"bot:olga:{GOOD[:15]}",
    ],
)  # fmt: skip
def test_a_bad_entry_is_refused_without_being_repeated(text: str) -> None:
    """The message says which entry and why, never what it holds."""
    with pytest.raises(ValueError, match=r"^(entry \d|the same token)") as refused:
        parse_tokens(f"viewer:other-than-that-one,{text}")
    assert "verysecret" not in str(refused.value)


def test_a_bot_may_be_bound_to_sources() -> None:
    """Commas within the brackets part sources, those behind them entries; the name may be left out."""
    tokens = parse_tokens(
        "bot[web, telegram-bot]:hall:first-long-token,bot[fax]:other-long-token,bot:x:any[1]-long-token]"
    )
    assert tokens.identity_of(b"first-long-token") == Identity(Role.BOT, "hall", frozenset({"web", "telegram-bot"}))
    assert tokens.identity_of(b"other-long-token") == Identity(Role.BOT, None, frozenset({"fax"}))
    assert tokens.identity_of(b"any[1]-long-token]") == Identity(Role.BOT, "x", None)


def test_brackets_in_a_token_are_part_of_it() -> None:
    """Tokens of today keep their meaning, also such that look like an opened and a closed bracket."""
    tokens = parse_tokens("admin:one[quite-long-token,viewer:other]quite-long-token")
    assert tokens.identity_of(b"one[quite-long-token") == Identity(Role.ADMIN)
    assert tokens.identity_of(b"other]quite-long-token") == Identity(Role.VIEWER)


@pytest.mark.parametrize(
    "text",
    [
        "bot[web:n:verysecret-token", "bot[web:n:verysecret-token,viewer:a]:verysecret-token",
        "bot[]:n:verysecret-token",
        "bot[web,]:n:verysecret-token", "bot[,]:n:verysecret-token", "bot[Web]:n:verysecret-token",
        "bot[w b]:n:verysecret-token", "bot[web]n:verysecret-token", "bot[web][fax]:n:verysecret-token",
        "bot]web[:n:verysecret-token", "bot[web\n]x:n:verysecret-token", "admin[web]:n:verysecret-token",
        "viewer[web]:verysecret-token", "[web]:verysecret-token", "bot[web]", "bot[web]:", "bot[a:b]:verysecret-token",
    ],
)  # fmt: skip
def test_malformed_brackets_are_refused_without_being_repeated(text: str) -> None:
    """Whoever starts the API reads which entry is wrong; nobody is bound to anything but what was meant."""
    with pytest.raises(ValueError, match=r"^entry 2") as refused:
        parse_tokens(f"viewer:other-long-token,{text}")
    assert "verysecret" not in str(refused.value)


def test_tokens_are_not_kept_as_they_are() -> None:
    """What could be printed by mistake holds no token."""
    assert "s3cret" not in repr(parse_tokens("admin:s3cret-of-an-admin"))


def test_a_role_that_is_not_allowed_is_403_and_says_whose_it_is() -> None:
    """The detail names the role and the roles that may."""
    identity = authenticate(Headers({"Authorization": "Bearer token-of-a-robot"}), parse_tokens("bot:token-of-a-robot"))
    with pytest.raises(RequestRejected) as refused:
        authorize(identity, frozenset({Role.ADMIN, Role.VIEWER}))
    assert refused.value.status == 403
    assert refused.value.detail == "The token's role is bot; this takes admin or viewer."
