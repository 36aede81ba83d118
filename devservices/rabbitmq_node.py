"""A private RabbitMQ node: own name, ports, cookie and folder, on the loopback interface alone.

It coexists with any other RabbitMQ of the machine: it has its own Erlang port mapper (epmd) too.
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
    program = shutil.which("rabbitmq-server") or shutil.which("rabbitmq-server", path=_USUAL_PATHS)
    return Path(program).resolve().parent if program else None


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
        """The AMQP port."""
        return self.ports[0]

    @property
    def tls_port(self) -> int:
        """The AMQP port with TLS."""
        return self.ports[3]

    @property
    def pages_port(self) -> int:
        """The port of the management page, if its plugin is enabled."""
        return self.ports[4]

    @property
    def stream_port(self) -> int:
        """The port of the stream protocol, if its plugin is enabled."""
        return self.ports[5]


def installed(tools: Path, plugins: Sequence[str]) -> tuple[str, ...]:
    """The plugins among these that this installation has."""
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
    """Erlang's port mapper as our child process; None if it is not found: then the node starts one as a daemon."""
    path = _environment(settings)["PATH"]
    epmd = shutil.which("epmd", path=path) or next(map(str, Path("/").glob("usr/lib/erlang/erts-*/bin/epmd")), None)
    if epmd is None:
        return None
    return Program(
        name="epmd",
        command=[epmd],
        environment=_environment(settings),
        folder=settings.folder,
        ready=lambda: is_open(LOOPBACK, settings.ports[2]),
        guard=guard,
        tools=Path(epmd).parent,
    )


def _write_files(settings: NodeSettings) -> None:
    folder = settings.folder
    (folder / "node.conf").write_text(
        f"listeners.tcp.1 = {LOOPBACK}:{settings.port}\n"
        "disk_free_limit.absolute = 50MB\n"  # the default blocks publishers on a machine with little free disk
        + _listener_with_tls(settings)
        + "".join(line for name in settings.plugins for line in _plugin(settings, name))
    )
    enabled = [*(["rabbitmq_auth_mechanism_ssl"] if settings.tls else []), *settings.plugins]
    (folder / "plugins").write_text(f"[{','.join(enabled)}].\n")
    (folder / "empty").touch()
    (folder / "empty.config").write_text("[].\n")
    cookie = folder / ".erlang.cookie"
    cookie.unlink(missing_ok=True)  # an earlier run's is read-only: only root could overwrite it
    cookie.write_text(secrets.token_hex(16))
    cookie.chmod(0o400)


def _plugin(settings: NodeSettings, name: str) -> list[str]:
    """The plugin's configuration lines: on the loopback interface, at a port of its own."""
    if name == MANAGEMENT:
        return [f"management.tcp.ip = {LOOPBACK}\n", f"management.tcp.port = {settings.pages_port}\n"]
    return [
        f"stream.listeners.tcp.1 = {LOOPBACK}:{settings.stream_port}\n",
        f"stream.advertised_host = {LOOPBACK}\n",
        f"stream.advertised_port = {settings.stream_port}\n",
    ]


def _listener_with_tls(settings: NodeSettings) -> str:
    """A listener beside the plain one; clients must present a certificate, and its common name may be their login."""
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
    # Erlang looks for each module folder by folder, in some 100 folders: 50,000 lookups of files that do not exist.
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
        # The script then execs the Erlang VM instead of staying its parent, so that signals and exit status are the
        # node's own. It also leaves out -noinput, without which the VM would end because its input is empty.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_START_ARGS": "-noinput",
    }
