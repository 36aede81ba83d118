"""A RabbitMQ for development: found, or started for the time of a `with` block."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from devservices.apt import can_install, install
from devservices.container import Recipe, start_container
from devservices.errors import ServiceNotFoundError
from devservices.folders import private_folder
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

_NAME = "broker"
_AMQP, _PAGES = 5672, 15672
USER = "guest:guest"
"""RabbitMQ's own default, and its password; it can be used from this machine only."""


@dataclass
class Broker(Service):
    """A RabbitMQ at `url` (amqp://…); `tls_url` (amqps://…) where it was started with certificates.

    `pages_url` (http://…) and `stream_url` (rabbitmq-stream://…) where its plugins were asked for and are installed.
    `is_kept`: its queues are there again next time.
    """

    tls_url: str = ""
    pages_url: str = ""
    stream_url: str = ""
    is_kept: bool = False

    def rabbitmqctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on it and answer what it printed."""
        return self._own().run("rabbitmqctl", *arguments)

    def import_definitions(self, definitions: str) -> None:
        """Load users, virtual hosts and rights, as JSON, beside what is there."""
        self.rabbitmqctl("import_definitions", self._own().put("definitions.json", definitions.encode()))


@contextmanager
def broker(
    *, control: bool = False, tls: Certificates | None = None, kept: Path | None = None, plugins: bool = False
) -> Iterator[Broker]:
    """Find or start a RabbitMQ; one that was started ends with the block, or with this process.

    With `control`, one that can be stopped, killed and frozen: `AMQP_URL` is passed over then.
    With `tls`, a second listener; always a program, since a container would not see the files. With `kept`, a program
    keeps what it holds in that folder. With `plugins`, it has the management page and the streams' own protocol.
    """
    with ExitStack() as stack:
        yield _find(stack, read_settings(), control, Requirements(tls, kept, (MANAGEMENT, STREAM) if plugins else ()))


@dataclass(frozen=True)
class Requirements:
    """What a program has to have: a listener with TLS, a folder that stays, plugins as far as they are installed."""

    tls: Certificates | None
    kept: Path | None
    plugins: tuple[str, ...]


def _find(stack: ExitStack, settings: DevSettings, control: bool, wanted: Requirements) -> Broker:
    if settings.amqp_url and not control and wanted.tls is None:
        say(_NAME, "using the one of AMQP_URL")
        return Broker(settings.amqp_url, "url")
    # What a container holds ends with it.
    found = _program(stack, wanted) if wanted.kept is not None else None
    if found is None and wanted.tls is None:
        found = _container(stack, settings, wanted)
    found = found or _program(stack, wanted)
    if found is None and can_install() and install(_NAME, "rabbitmq-server"):
        found = _program(stack, wanted)
    if found is None:
        raise ServiceNotFoundError(
            "no RabbitMQ: set AMQP_URL, start a Docker engine, or install RabbitMQ"
            " (Debian, Ubuntu: apt-get install rabbitmq-server)"
        )
    return found


def _container(stack: ExitStack, settings: DevSettings, wanted: Requirements) -> Broker | None:
    image = settings.rabbitmq_image
    has_pages = MANAGEMENT in wanted.plugins and "management" in image
    recipe = Recipe(image, _AMQP, speaks_amqp, other_ports=(_PAGES,) if has_pages else ())
    node = start_container(_NAME, recipe, stack)
    if node is None:
        return None
    host, port = node.address
    pages_url = f"http://{node.reached(_PAGES)}" if has_pages else ""
    return Broker(f"amqp://{USER}@{host}:{port}/%2F", "docker", node, pages_url=pages_url)


def _program(stack: ExitStack, wanted: Requirements) -> Broker | None:
    tools = find_rabbitmq()
    if tools is None:
        return None
    plugins = installed(tools, wanted.plugins)
    if wanted.kept is None:
        settings = NodeSettings(private_folder("contacts-broker-"), tools, tls=wanted.tls, plugins=plugins)
        guard = stack.enter_context(Guard(settings.folder))
    else:
        settings = kept_node(wanted.kept, tools, plugins)
        guard = stack.enter_context(Guard(gentle=signal.SIGTERM))
    say(_NAME, f"starting a private RabbitMQ on port {settings.port}")
    mapper = port_mapper(settings, guard)
    if mapper is not None:
        mapper.start()
    node = private_node(settings, guard)
    node.start()
    if wanted.kept is not None:
        stack.callback(node.stop)  # in order; what the guard does to it is for a process that is killed
    return _described(settings, node, is_kept=wanted.kept is not None)


def _described(settings: NodeSettings, node: Program, *, is_kept: bool) -> Broker:
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
