"""Reads the settings of `make run` from the environment and `.env`."""

import os
from collections.abc import Mapping

from dotenv import dotenv_values
from yarl import URL

from examples.subprocesses import ROOT


def read_environment() -> dict[str, str]:
    """The environment over `.env`, as the services read it; empty values count as not set."""
    file = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}
    return file | {name: value for name, value in os.environ.items() if value or name not in file}


def admin_token(environment: Mapping[str, str]) -> str | None:
    """The first token with the role admin of ADMIN_API_TOKENS."""
    for entry in environment.get("ADMIN_API_TOKENS", "").split(","):
        parts = [part.strip() for part in entry.split(":")]
        if len(parts) > 1 and parts[0] == "admin" and parts[-1]:
            return parts[-1]
    return None


def place(amqp_url: str) -> str:
    """The part of a broker's address that may be shown: scheme, host and port."""
    try:
        url = URL(amqp_url)
        return f"{url.scheme}://{url.host_port_subcomponent}"
    except ValueError:
        return "the one of AMQP_URL"
