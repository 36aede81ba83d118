"""The programs of one installation."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devservices.broker import Broker
from tests.e2e.programs import Programs


@pytest.fixture
async def programs(database_url: str, rabbitmq: Broker, tmp_path: Path) -> AsyncIterator[Programs]:
    """Programs of one installation of its own; whatever still runs is killed."""
    folder = tmp_path / "empty"
    folder.mkdir()
    settings = {
        "DATABASE_URL": database_url,
        "AMQP_URL": rabbitmq.url,
        "BROKER_PREFIX": f"e{secrets.token_hex(4)}.",
        "EVENT_LOG_MAX_AGE": "1h",
        "LOG_FORMAT": "json",
    }
    made = Programs(settings, folder)
    yield made
    for process in made.running:
        await process.kill()
