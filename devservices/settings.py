"""The settings of these services, read from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DevSettings:
    """Addresses of the services, and the images to start if there is a Docker engine."""

    amqp_url: str
    database_url: str
    rabbitmq_image: str
    postgres_image: str


def read_settings(environment: Mapping[str, str] | None = None) -> DevSettings:
    """Read the settings; an empty variable counts as one that is not set."""
    values = os.environ if environment is None else environment
    return DevSettings(
        amqp_url=values.get("AMQP_URL", ""),
        database_url=values.get("TEST_DATABASE_URL", ""),
        rabbitmq_image=values.get("RABBITMQ_IMAGE") or "rabbitmq:4.0-management",
        postgres_image=values.get("POSTGRES_IMAGE") or "postgres:17.12",
    )


def clean_environment(*prefixes: str) -> dict[str, str]:
    """The environment of this process without the variables that start with a prefix: other installations' settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
