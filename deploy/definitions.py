"""Fills in what rabbitmq-definitions.json leaves out: `python3 -m deploy.definitions > definitions.json`.

A user's password is read from the environment: RABBITMQ_BOT_PASSWORD for contacts-bot, RABBITMQ_WORKER_PLAIN_PASSWORD
for contacts-worker-plain. A user without one cannot log in. BROKER_PREFIX and RABBITMQ_VHOST are read from there as
well. Needs only Python's standard library.
"""

import argparse
import json
import os
import re
import secrets
import sys
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("rabbitmq-definitions.json")
RIGHTS = ("configure", "write", "read")
SALT_BYTES = 4


def fill(environment: Mapping[str, str]) -> dict[str, Any]:
    """The definitions with a salted hash of each password, for one prefix and one virtual host."""
    definitions: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    vhost, prefix = environment.get("RABBITMQ_VHOST") or "/", environment.get("BROKER_PREFIX", "")
    definitions["vhosts"] = [{"name": vhost}]
    for user in definitions["users"]:
        user["password_hash"] = hashed(environment.get(variable(user["name"]), ""))
    for permission in definitions["permissions"]:
        permission["vhost"] = vhost
        for right in RIGHTS:
            permission[right] = prefixed(permission[right], prefix)
    return definitions


def variable(user: str) -> str:
    """The environment variable with a user's password."""
    return f"RABBITMQ_{user.removeprefix('contacts-').replace('-', '_').upper()}_PASSWORD"


def hashed(password: str) -> str:
    """The hash as RabbitMQ stores it (rabbit_password_hashing_sha256); an empty one, for no password, matches none."""
    if not password:
        return ""
    salt = secrets.token_bytes(SALT_BYTES)
    return b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def prefixed(pattern: str, prefix: str) -> str:
    """The pattern for an installation with a prefix: our own names stand in groups, `^(…)$`."""
    return pattern.replace("^(", f"^{re.escape(prefix)}(")


def main() -> None:
    """Write the filled definitions to standard output, or to a file."""
    options = argparse.ArgumentParser(description="Fills in passwords, prefix and virtual host.")
    options.add_argument("--output", type=Path, help="a file instead of standard output")
    output: Path | None = options.parse_args().output
    text = json.dumps(fill(os.environ), indent=2) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
