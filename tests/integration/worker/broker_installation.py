"""The broker's users as an admin makes them from deploy/rabbitmq-definitions.json."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiormq
from aiormq.abc import AbstractChannel
from yarl import URL

from deploy import definitions
from devservices.broker import Broker
from worker.broker.topology import Topology


@dataclass
class Installation:
    """A virtual host with nothing in it but the users of the definitions, each with a password of its own."""

    broker_url: URL
    vhost: str
    prefix: str
    password: str

    def url(self, user: str) -> str:
        """AMQP_URL of a user, by the name without `contacts-`."""
        return str(
            self.broker_url.with_user(f"contacts-{user}").with_password(self.password).with_path(f"/{self.vhost}")
        )

    @property
    def topology(self) -> Topology:
        """Its names."""
        return Topology(self.prefix, "1h")

    @asynccontextmanager
    async def channel(self, user: str) -> AsyncIterator[AbstractChannel]:
        """A channel of a user."""
        async with aiormq.connect(self.url(user)) as connection:
            yield await connection.channel()


def load(node: Broker, installation: Installation) -> None:
    """As an admin does it: filled in, then imported."""
    environment = {"RABBITMQ_VHOST": installation.vhost, "BROKER_PREFIX": installation.prefix}
    names = [user["name"] for user in definitions.fill({})["users"]]
    passwords = {definitions.variable(name): installation.password for name in names}
    node.import_definitions(json.dumps(definitions.fill(environment | passwords)))
