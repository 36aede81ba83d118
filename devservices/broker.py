"""A RabbitMQ for development: found, or started for the time of a `with` block."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from devservices.apt import can_install, install
from devservices.container import Recipe, start_container
from devservices.errors import ServiceNotFoundError
from devservices.folders import private_folder
from devservices.guard import Guard
from devservices.ports import LOOPBACK, speaks_amqp
from devservices.rabbitmq_node import NodeSettings, find_rabbitmq, port_mapper, private_node
from devservices.report import say
from devservices.service import Service
from devservices.settings import DevSettings, read_settings

_NAME = "broker"


@dataclass
class Broker(Service):
    """A RabbitMQ at `url` (amqp://…)."""

    def rabbitmqctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on it and answer what it printed."""
        return self._own().run("rabbitmqctl", *arguments)


@contextmanager
def broker(*, control: bool = False) -> Iterator[Broker]:
    """Find or start a RabbitMQ; one that was started ends with the block, or with this process.

    With `control`, one that can be stopped, killed and frozen: `AMQP_URL` is passed over then.
    """
    with ExitStack() as stack:
        yield _find(stack, read_settings(), control)


def _find(stack: ExitStack, settings: DevSettings, control: bool) -> Broker:
    if settings.amqp_url and not control:
        say(_NAME, "using the one of AMQP_URL")
        return Broker(settings.amqp_url, "url")
    found = _container(stack, settings) or _program(stack)
    if found is None and can_install() and install(_NAME, "rabbitmq-server"):
        found = _program(stack)
    if found is None:
        raise ServiceNotFoundError(
            "no RabbitMQ: set AMQP_URL, start a Docker engine, or install RabbitMQ"
            " (Debian, Ubuntu: apt-get install rabbitmq-server)"
        )
    return found


def _container(stack: ExitStack, settings: DevSettings) -> Broker | None:
    node = start_container(_NAME, Recipe(settings.rabbitmq_image, 5672, speaks_amqp), stack)
    if node is None:
        return None
    host, port = node.address
    return Broker(f"amqp://guest:guest@{host}:{port}/", "docker", node)


def _program(stack: ExitStack) -> Broker | None:
    tools = find_rabbitmq()
    if tools is None:
        return None
    settings = NodeSettings(private_folder("contacts-broker-"), tools)
    guard = stack.enter_context(Guard(settings.folder))
    say(_NAME, f"starting a private RabbitMQ on port {settings.port}")
    mapper = port_mapper(settings, guard)
    if mapper is not None:
        mapper.start()
    node = private_node(settings, guard)
    node.start()
    return Broker(f"amqp://guest:guest@{LOOPBACK}:{settings.port}/", "program", node)
