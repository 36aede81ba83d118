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
from devservices.rabbitmq_node import Certificates, NodeSettings, find_rabbitmq, port_mapper, private_node
from devservices.report import say
from devservices.service import Service
from devservices.settings import DevSettings, read_settings

_NAME = "broker"


@dataclass
class Broker(Service):
    """A RabbitMQ at `url` (amqp://…); `tls_url` (amqps://…) where it was started with certificates."""

    tls_url: str = ""

    def rabbitmqctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on it and answer what it printed."""
        return self._own().run("rabbitmqctl", *arguments)

    def import_definitions(self, definitions: str) -> None:
        """Load users, virtual hosts and rights, as JSON, beside what is there."""
        self.rabbitmqctl("import_definitions", self._own().put("definitions.json", definitions.encode()))


@contextmanager
def broker(*, control: bool = False, tls: Certificates | None = None) -> Iterator[Broker]:
    """Find or start a RabbitMQ; one that was started ends with the block, or with this process.

    With `control`, one that can be stopped, killed and frozen: `AMQP_URL` is passed over then.
    With `tls`, a second listener; always a program, since a container would not see the files.
    """
    with ExitStack() as stack:
        yield _find(stack, read_settings(), control, tls)


def _find(stack: ExitStack, settings: DevSettings, control: bool, tls: Certificates | None) -> Broker:
    if settings.amqp_url and not control and tls is None:
        say(_NAME, "using the one of AMQP_URL")
        return Broker(settings.amqp_url, "url")
    found = (_container(stack, settings) if tls is None else None) or _program(stack, tls)
    if found is None and can_install() and install(_NAME, "rabbitmq-server"):
        found = _program(stack, tls)
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


def _program(stack: ExitStack, tls: Certificates | None) -> Broker | None:
    tools = find_rabbitmq()
    if tools is None:
        return None
    settings = NodeSettings(private_folder("contacts-broker-"), tools, tls=tls)
    guard = stack.enter_context(Guard(settings.folder))
    say(_NAME, f"starting a private RabbitMQ on port {settings.port}")
    mapper = port_mapper(settings, guard)
    if mapper is not None:
        mapper.start()
    node = private_node(settings, guard)
    node.start()
    secure = f"amqps://guest:guest@{LOOPBACK}:{settings.tls_port}/" if tls else ""
    return Broker(f"amqp://guest:guest@{LOOPBACK}:{settings.port}/", "program", node, secure)
