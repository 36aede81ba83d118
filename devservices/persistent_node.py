"""A folder for a node that outlives its process: the same name and, if they are free, the same ports each time."""

import json
import secrets
from pathlib import Path

from devservices.ports import free_ports, is_free
from devservices.rabbitmq_node import PORTS, NodeSettings

_FILE = "node.json"


def kept_node(folder: Path, tools: Path, plugins: tuple[str, ...]) -> NodeSettings:
    """Settings of the node in this folder, created if it has none. Only one process may use the folder at a time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name, ports = _read(folder / _FILE)
    ports = [port if is_free(port) else free_ports(1)[0] for port in ports]
    (folder / _FILE).write_text(json.dumps({"name": name, "ports": ports}), encoding="utf-8")
    return NodeSettings(folder, tools, name, ports=ports, plugins=plugins)


def _read(file: Path) -> tuple[str, list[int]]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return str(stored["name"]), [int(port) for port in stored["ports"][:PORTS]]
    except (OSError, ValueError, LookupError, TypeError):
        return f"contacts-{secrets.token_hex(4)}@localhost", free_ports(PORTS)
