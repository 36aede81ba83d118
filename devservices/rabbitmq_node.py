"""A private RabbitMQ node: own name, ports, cookie and folder, on the loopback interface alone.

It lives beside any other RabbitMQ of the machine, its own Erlang port mapper (epmd) included.
"""

import secrets
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devservices.guard import Guard
from devservices.ports import LOOPBACK, free_ports, is_open, speaks_amqp
from devservices.server_process import Program
from devservices.settings import clean_environment

# Debian's /usr/sbin/rabbitmq-server insists on the user rabbitmq and on the system's folders; the program behind it
# does not. So these come before PATH.
_PACKAGED = ("usr/lib/rabbitmq/bin", "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin")
MANAGEMENT, STREAM = "rabbitmq_management", "rabbitmq_stream"
PORTS = 6
_LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"
_USUAL_PATHS = "/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/sbin:/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin"


def find_rabbitmq() -> Path | None:
    """The folder of the programs rabbitmq-server and rabbitmqctl, or None."""
    for pattern in _PACKAGED:
        for folder in sorted(Path("/").glob(pattern), reverse=True):
            if (folder / "rabbitmq-server").is_file():
                return folder
    found = shutil.which("rabbitmq-server") or shutil.which("rabbitmq-server", path=_USUAL_PATHS)
    return Path(found).resolve().parent if found else None


@dataclass(frozen=True)
class Certificates:
    """Files for a listener with TLS: the authority that signs clients' certificates, and the node's own."""

    authority: Path
    certificate: Path
    key: Path


@dataclass
class NodeSettings:
    """Names and ports of one node."""

    folder: Path
    tools: Path
    name: str = field(default_factory=lambda: f"contacts-{secrets.token_hex(4)}@localhost")
    tls: Certificates | None = None
    plugins: tuple[str, ...] = ()
    ports: list[int] = field(default_factory=lambda: free_ports(PORTS))

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.ports[0]

    @property
    def tls_port(self) -> int:
        """Where clients connect with TLS."""
        return self.ports[3]

    @property
    def pages_port(self) -> int:
        """Where people look, with the plugin for it."""
        return self.ports[4]

    @property
    def stream_port(self) -> int:
        """Where clients of streams connect, with the plugin for it."""
        return self.ports[5]


def installed(tools: Path, plugins: Sequence[str]) -> tuple[str, ...]:
    """Those of the plugins that this installation has."""
    home = (tools / "rabbitmq-server").resolve().parent.parent
    return tuple(name for name in plugins if any((home / "plugins").glob(f"{name}-[0-9]*")))


def private_node(settings: NodeSettings, guard: Guard) -> Program:
    """The node, ready to be started."""
    _write_files(settings)
    return Program(
        name="rabbitmq",
        command=[str(settings.tools / "rabbitmq-server")],
        environment=_environment(settings),
        folder=settings.folder,
        ready=lambda: speaks_amqp(LOOPBACK, settings.port),
        guard=guard,
        tools=settings.tools,
        stop_signal=signal.SIGTERM,
    )


def port_mapper(settings: NodeSettings, guard: Guard) -> Program | None:
    """Erlang's port mapper as a child of ours; None if it is not found, then the node starts one as a daemon."""
    path = _environment(settings)["PATH"]
    found = shutil.which("epmd", path=path) or next(map(str, Path("/").glob("usr/lib/erlang/erts-*/bin/epmd")), None)
    if found is None:
        return None
    return Program(
        name="epmd",
        command=[found],
        environment=_environment(settings),
        folder=settings.folder,
        ready=lambda: is_open(LOOPBACK, settings.ports[2]),
        guard=guard,
        tools=Path(found).parent,
    )


def _write_files(settings: NodeSettings) -> None:
    folder = settings.folder
    (folder / "node.conf").write_text(
        f"listeners.tcp.1 = {LOOPBACK}:{settings.port}\n"
        "disk_free_limit.absolute = 50MB\n"  # the default stops publishers on a machine that is a little full
        + _listener_with_tls(settings)
        + "".join(line for name in settings.plugins for line in _plugin(settings, name))
    )
    enabled = [*(["rabbitmq_auth_mechanism_ssl"] if settings.tls else []), *settings.plugins]
    (folder / "plugins").write_text(f"[{','.join(enabled)}].\n")
    (folder / "empty").touch()
    (folder / "empty.config").write_text("[].\n")
    cookie = folder / ".erlang.cookie"
    cookie.unlink(missing_ok=True)  # only root could write to the one of an earlier run
    cookie.write_text(secrets.token_hex(16))
    cookie.chmod(0o400)


def _plugin(settings: NodeSettings, name: str) -> list[str]:
    """Its lines of the configuration: on the loopback interface too, at a port of its own."""
    if name == MANAGEMENT:
        return [f"management.tcp.ip = {LOOPBACK}\n", f"management.tcp.port = {settings.pages_port}\n"]
    return [
        f"stream.listeners.tcp.1 = {LOOPBACK}:{settings.stream_port}\n",
        f"stream.advertised_host = {LOOPBACK}\n",
        f"stream.advertised_port = {settings.stream_port}\n",
    ]


def _listener_with_tls(settings: NodeSettings) -> str:
    """Beside the plain one; clients must show a certificate, and may be known by its common name alone."""
    if settings.tls is None:
        return ""
    return (
        f"listeners.ssl.1 = {LOOPBACK}:{settings.tls_port}\n"
        f"ssl_options.cacertfile = {settings.tls.authority}\n"
        f"ssl_options.certfile = {settings.tls.certificate}\n"
        f"ssl_options.keyfile = {settings.tls.key}\n"
        "ssl_options.verify = verify_peer\n"
        "ssl_options.fail_if_no_peer_cert = true\n"
        "auth_mechanisms.1 = PLAIN\n"
        "auth_mechanisms.2 = EXTERNAL\n"
        "ssl_cert_login_from = common_name\n"
    )


def _own_code_first(settings: NodeSettings) -> str:
    # Erlang looks for each module folder by folder, and there are some 100 of them: 50,000 files that are not there.
    libraries = (settings.tools / "rabbitmq-server").resolve().parent.parent / "plugins"
    names = ("rabbit", "rabbit_common")
    return " ".join(f"-pa {folder}" for name in names for folder in libraries.glob(f"{name}-[0-9]*/ebin"))


def _environment(settings: NodeSettings) -> dict[str, str]:
    folder, (port, distribution_port, mapper_port, *_) = settings.folder, settings.ports
    environment = clean_environment("RABBITMQ_", "ERL_")
    path = environment.get("PATH", "")
    return environment | {
        "PATH": f"{path}:{_USUAL_PATHS}" if path else _USUAL_PATHS,
        "HOME": str(folder),  # where Erlang looks for its cookie
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_CONF_ENV_FILE": str(folder / "empty"),
        "RABBITMQ_CONFIG_FILE": str(folder / "node.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "more"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "empty.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_NODENAME": settings.name,
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_LOOPBACK_ONLY} {_own_code_first(settings)}",
        # The script then becomes the Erlang machine instead of staying above it, so that its signals and its end are
        # the node's own. It also leaves out -noinput, without which the machine would end with its empty input.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_START_ARGS": "-noinput",
    }
