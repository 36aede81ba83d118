"""A RabbitMQ for development: found, or started for the duration of a `with` block."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devservices.apt import can_install, install
from devservices.container import Recipe, start_container
from devservices.errors import ServiceNotFoundError
from devservices.guard import Guard
from devservices.persistent_node import kept_node
from devservices.ports import LOOPBACK, speaks_amqp
from devservices.progress import say
from devservices.rabbitmq_node import (
    MANAGEMENT,
    STREAM,
    Certificates,
    NodeSettings,
    find_rabbitmq,
    installed,
    port_mapper,
    private_node,
)
from devservices.server_process import Program
from devservices.service import Service
from devservices.settings import DevSettings, read_settings
from devservices.temporary_folders import private_folder

_NAME = "broker"
_AMQP, _PAGES = 5672, 15672
USER = "guest:guest"
"""RabbitMQ's own default, and its password; it can be used from this machine only."""


@dataclass
class Broker(Service):
    """A RabbitMQ at `url` (amqp://…); `tls_url` (amqps://…) if it was started with certificates.

    `pages_url` (http://…) and `stream_url` (rabbitmq-stream://…) if its plugins were requested and are installed.
    `is_kept`: its queues survive until the next run.
    """

    tls_url: str = ""
    pages_url: str = ""
    stream_url: str = ""
    is_kept: bool = False

    def rabbitmqctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on it; returns its output."""
        return self._own().run("rabbitmqctl", *arguments)

    def import_definitions(self, definitions: str) -> None:
        """Load users, virtual hosts and rights, as JSON, beside what is there."""
        self.rabbitmqctl("import_definitions", self._own().put("definitions.json", definitions.encode()))


@contextmanager
def broker(
    *, control: bool = False, tls: Certificates | None = None, kept: Path | None = None, plugins: bool = False
) -> Iterator[Broker]:
    """Find or start a RabbitMQ; one that was started ends with the block, or with this process.

    With `control`, one that can be stopped, killed and frozen: `AMQP_URL` is ignored then.
    With `tls`, a second listener; always a program, since a container would not see the files. With `kept`, a program
    keeps its data in that folder. With `plugins`, it has the management page and the stream protocol.
    """
    with ExitStack() as stack:
        yield _find(stack, read_settings(), control, Requirements(tls, kept, (MANAGEMENT, STREAM) if plugins else ()))


@dataclass(frozen=True)
class Requirements:
    """What a program has to have: a TLS listener, a folder that is kept, plugins as far as they are installed."""

    tls: Certificates | None
    kept: Path | None
    plugins: tuple[str, ...]


def _find(stack: ExitStack, settings: DevSettings, control: bool, requirements: Requirements) -> Broker:
    if settings.amqp_url and not control and requirements.tls is None:
        say(_NAME, "using the one of AMQP_URL")
        return Broker(settings.amqp_url, "url")
    # A container loses its data when it ends.
    result = _program(stack, requirements) if requirements.kept is not None else None
    if result is None and requirements.tls is None:
        result = _container(stack, settings, requirements)
    result = result or _program(stack, requirements)
    if result is None and can_install() and install(_NAME, "rabbitmq-server"):
        result = _program(stack, requirements)
    if result is None:
        raise ServiceNotFoundError(
            "no RabbitMQ: set AMQP_URL, start a Docker engine, or install RabbitMQ"
            " (Debian, Ubuntu: apt-get install rabbitmq-server)"
        )
    return result


def _container(stack: ExitStack, settings: DevSettings, requirements: Requirements) -> Broker | None:
    image = settings.rabbitmq_image
    has_pages = MANAGEMENT in requirements.plugins and "management" in image
    recipe = Recipe(image, _AMQP, speaks_amqp, other_ports=(_PAGES,) if has_pages else ())
    node = start_container(_NAME, recipe, stack)
    if node is None:
        return None
    host, port = node.address
    pages_url = f"http://{node.reached(_PAGES)}" if has_pages else ""
    return Broker(f"amqp://{USER}@{host}:{port}/%2F", "docker", node, pages_url=pages_url)


def _program(stack: ExitStack, requirements: Requirements) -> Broker | None:
    tools = find_rabbitmq()
    if tools is None:
        return None
    plugins = installed(tools, requirements.plugins)
    if requirements.kept is None:
        settings = NodeSettings(private_folder("contacts-broker-"), tools, tls=requirements.tls, plugins=plugins)
        guard = stack.enter_context(Guard(settings.folder))
    else:
        settings = kept_node(requirements.kept, tools, plugins)
        guard = stack.enter_context(Guard(gentle=signal.SIGTERM))
    say(_NAME, f"starting a private RabbitMQ on port {settings.port}")
    mapper = port_mapper(settings, guard)
    if mapper is not None:
        mapper.start()
    node = private_node(settings, guard)
    node.start()
    if requirements.kept is not None:
        stack.callback(node.stop)  # an orderly shutdown; the guard only acts when this process is killed
    return _broker_of(settings, node, is_kept=requirements.kept is not None)


def _broker_of(settings: NodeSettings, node: Program, *, is_kept: bool) -> Broker:
    return Broker(
        f"amqp://{USER}@{LOOPBACK}:{settings.port}/%2F",
        "program",
        node,
        tls_url=f"amqps://{USER}@{LOOPBACK}:{settings.tls_port}/%2F" if settings.tls else "",
        pages_url=f"http://{LOOPBACK}:{settings.pages_port}" if MANAGEMENT in settings.plugins else "",
        stream_url=f"rabbitmq-stream://{USER}@{LOOPBACK}:{settings.stream_port}/%2F"
        if STREAM in settings.plugins
        else "",
        is_kept=is_kept,
    )
