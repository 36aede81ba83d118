"""The documents name tests that there are."""

import ast
import re
from pathlib import Path

import pytest

from admin_api.settings import AdminSettings
from worker.metrics import Metrics
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE_CONTAINERS = {"AMQP_CA_FILE", "AMQP_CERT_FILE", "AMQP_KEY_FILE", "WORKER_HEALTH_PORT"}
"""Its broker is beside it, without TLS; its port is published as WORKER_PORTS."""
BROKER = re.compile(r"amqps?://[^\s\"'`|,)]+")
NAMED = re.compile(r"`([a-z_/0-9]+\.py)::((?:\w+::)?\w+)`")


@pytest.mark.parametrize("document", ["failure-modes.md", "traps.md"])
def test_every_named_test_exists(document: str) -> None:
    """A failure mode is worth what its test shows."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    named = NAMED.findall(re.sub(r"\s+", " ", text))
    assert named
    assert [f"{path}::{test}" for path, test in named if not exists(path, test)] == []


@pytest.mark.parametrize("heading", ["Users see", "The system", "A person", "Shown by"])
def test_every_failure_says_all_of_it(heading: str) -> None:
    """What users see, what the system does, what a person does, and the test."""
    text = (ROOT / "docs/failure-modes.md").read_text(encoding="utf-8").partition("## Whether")[0]
    sections = text.split("\n### ")[1:]
    assert [section.splitlines()[0] for section in sections if f"\n- {heading}: " not in section] == []


def test_every_metric_of_the_worker_is_explained() -> None:
    """Whoever sees a metric finds what it means and when to worry."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    families = [family.name + ("_total" if family.type == "counter" else "") for family in Metrics().registry.collect()]
    assert [name for name in families if f"`{name}" not in text] == []


@pytest.mark.parametrize(
    ("document", "form"), [("README.md", r"`{}`"), (".env.example", r"^#?{}="), ("docker-compose.yml", r"^ +{}: ")]
)
def test_every_setting_is_in_the_documents(document: str, form: str) -> None:
    """Whoever sets it up finds each setting; containers are given what is not only for processes outside of them."""
    text = (ROOT / document).read_text(encoding="utf-8")
    names = {name.upper() for name in WorkerSettings.model_fields.keys() | AdminSettings.model_fields.keys()}
    if document == "docker-compose.yml":
        names -= OUTSIDE_CONTAINERS
    assert [name for name in sorted(names) if not re.search(form.format(name), text, re.MULTILINE)] == []


@pytest.mark.parametrize(
    "pattern", ["*.md", ".env.example", "*.yml", "docs/**/*.md", "examples/*.py", "devservices/*.py"]
)
def test_every_address_of_a_broker_fits_every_client(pattern: str) -> None:
    """A bare slash at its end is another virtual host to clients in Java, Ruby and C."""
    files = sorted(ROOT.glob(pattern))
    assert files
    addresses = [address for file in files for address in BROKER.findall(file.read_text(encoding="utf-8"))]
    assert [address for address in addresses if address.endswith("/")] == []


def exists(path: str, test: str) -> bool:
    """Whether the file has the function, or the class and its method."""
    file = ROOT / "tests" / path
    return file.exists() and test in names(ast.parse(file.read_text(encoding="utf-8")))


def names(module: ast.Module) -> set[str]:
    """Functions, and methods behind the name of their class."""
    found = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for of_class in (node for node in module.body if isinstance(node, ast.ClassDef)):
        methods = [node for node in of_class.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        found |= {f"{of_class.name}::{method.name}" for method in methods}
    return found
