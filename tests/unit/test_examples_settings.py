"""What the two programs make of their environment."""

from pathlib import Path

import pytest

from examples import demo, run_environment, services


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("amqp://127.0.0.1:5672", "amqp://guest:guest@127.0.0.1:5672/"),
        ("amqp://broker:5672", "amqp://bot:s3cret@broker:5672/contacts?cadata=s3cret"),
        ("amqp://[::1]:5672", "amqp://bot:p@s3cret@[::1]:5672/"),
        ("amqp://broker", "amqp://s3cret@broker/"),
        ("the one of AMQP_URL", "amqp://u:s3cret@broker:port/"),
    ],
)
def test_of_a_broker_that_is_given_only_the_place_is_shown(url: str, shown: str) -> None:
    """Neither user nor password nor what is asked for in the query."""
    assert run_environment.place(url) == shown


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        ("viewer:v, admin:a ,admin:b", "a"),
        ("viewer:v", None),
        ("", None),
        ("admin:olga:a", "a"),
    ],
)
def test_the_first_admin_token_is_found(tokens: str, found: str | None) -> None:
    """Entries may have spaces around them, and a name between role and token."""
    assert run_environment.admin_token({"ADMIN_API_TOKENS": tokens}) == found


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"ADMIN_API_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"ADMIN_API_HOST": "0.0.0.0"}, "http://127.0.0.1:8000"),  # noqa: S104  # a setting, not bound to
        ({"ADMIN_API_HOST": "::1", "ADMIN_API_PORT": ""}, "http://[::1]:8000"),
    ],
)
def test_the_api_is_asked_where_it_was_told_to_be(environment: dict[str, str], url: str) -> None:
    """An address that means every interface is asked at the loopback."""
    assert services.api_url(environment) == url


def test_the_demo_has_a_database_of_its_own_unless_it_is_given_one() -> None:
    """DATABASE_URL alone decides; an empty one counts as not set."""
    own = demo.child_environment({"DATABASE_URL": ""}, "amqp://b/", "", "t", Path("/x"))
    given = demo.child_environment({"DATABASE_URL": "postgresql+asyncpg://u:p@h/d"}, "amqp://b/", "p.", "t", Path("/x"))

    assert own["DATABASE_URL"] == "sqlite+aiosqlite:////x/contacts.db"
    assert given["DATABASE_URL"] == "postgresql+asyncpg://u:p@h/d"
    assert given["BROKER_PREFIX"] == "p."
    assert own["ADMIN_API_PORT"] != own["WORKER_HEALTH_PORT"]


def test_the_database_is_named_without_its_address() -> None:
    """The address may hold a password."""
    assert demo.database_name({}) == "a fresh SQLite file"
    assert demo.database_name({"DATABASE_URL": "postgresql+asyncpg://u:p@h/d"}) == "postgresql (DATABASE_URL)"
