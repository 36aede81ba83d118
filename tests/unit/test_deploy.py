"""What an installation is set up with: no secret in it, and no more rights than it takes."""

import re
import stat
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from deploy import definitions, environment

ROOT = Path(__file__).parents[2]


def test_a_password_is_kept_as_a_salted_hash() -> None:
    """As RabbitMQ checks it, with another salt each time."""
    made = b64decode(definitions.hashed("hush"))
    assert made[4:] == sha256(made[:4] + b"hush").digest()
    assert definitions.hashed("hush") != definitions.hashed("hush")


def test_a_prefix_stands_before_our_names_alone() -> None:
    """The default exchange and a subscriber's own names are not ours; dots and the like mean themselves."""
    rules = {rule["user"]: rule for rule in definitions.fill({"BROKER_PREFIX": "a.b-"})["permissions"]}
    write = rules["contacts-worker"]["write"]
    assert all(re.search(write, name) for name in ("amq.default", "a.b-assignments"))
    assert not any(re.search(write, name) for name in ("assignments", "aXb-assignments", "a.b-assignments2"))
    assert re.search(rules["contacts-subscriber"]["configure"], "sub.contacts-subscriber.x")


def test_a_new_env_file_has_secrets_and_is_its_owners_alone(tmp_path: Path) -> None:
    """`make compose-env` in a fresh clone: every secret another, nothing left empty; a second time changes nothing."""
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    names = environment.write(tmp_path)
    made = (tmp_path / ".env").read_text()
    values = re.findall(r"^(?:\w+_PASSWORD|ADMIN_API_TOKENS)=(.+)$", made, re.MULTILINE)
    assert len(names) == len(set(values)) == len(values) >= 8
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert environment.write(tmp_path) == []
    assert (tmp_path / ".env").read_text() == made


def test_an_env_file_that_is_there_is_completed(tmp_path: Path) -> None:
    """What somebody has set stays."""
    (tmp_path / ".env.example").write_text("A_PASSWORD=\nB_PASSWORD=\n")
    (tmp_path / ".env").write_text("A_PASSWORD=mine\nLOG_LEVEL=debug\n")
    assert environment.write(tmp_path) == ["B_PASSWORD"]
    assert (tmp_path / ".env").read_text().startswith("A_PASSWORD=mine\nLOG_LEVEL=debug\nB_PASSWORD=")


@pytest.mark.parametrize("kept", ["A_PASSWORD=mine", "", "\n", "# mine"])
def test_the_last_line_of_an_env_file_may_lack_its_end(tmp_path: Path, kept: str) -> None:
    """What is added begins a line of its own."""
    (tmp_path / ".env.example").write_text("B_PASSWORD=\n")
    (tmp_path / ".env").write_text(kept)
    environment.write(tmp_path)
    assert [line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines() if line] == [
        *([kept.partition("=")[0]] if kept.strip() else []),
        "B_PASSWORD",
    ]


class OnceLoader(yaml.SafeLoader):  # type: ignore[misc]  # its base is of a package without types
    """Refuses a mapping that has a key twice, of which the other loaders take the last and compose may take none."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As the base class does; `<<` may be overridden, so what it brings is not looked at."""
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {sorted(twice)}", node.start_mark)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_no_key_stands_twice_in_a_mapping() -> None:
    """One of two values would be taken without a word, or the whole file refused."""
    assert yaml.load((ROOT / "docker-compose.yml").read_text(), OnceLoader) == COMPOSE  # noqa: S506 - a SafeLoader


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_has_no_rights_of_its_own(name: str) -> None:
    """Nothing to write to, no capability, no way to get one, a limit on memory and on its log."""
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service.get("user") not in ("root", "0")
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_secret_comes_from_outside_and_is_in_the_example() -> None:
    """A variable that is missing stops compose with words; none has a value in the file."""
    used = set(re.findall(r"\$\{(\w+_PASSWORD|ADMIN_API_TOKENS)(.)", (ROOT / "docker-compose.yml").read_text()))
    assert {mark for _, mark in used} == {":"}
    assert "PASSWORD:-" not in (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    assert all(f"\n{name}=\n" in example for name, _ in used)
