"""`make compose-env`: a .env for docker compose, with new random passwords. Needs only Python's standard library."""

import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMPTY = re.compile(r"^(?P<name>[A-Z_]+(?:_PASSWORD|_TOKENS))=$", re.MULTILINE)
PASSWORD_BYTES = 24


def filled(text: str) -> str:
    """The settings with a new secret for every password and token that is empty; what is set stays."""
    return EMPTY.sub(lambda line: f"{line['name']}={_secret(line['name'])}", text)


def write(folder: Path) -> list[str]:
    """Create or complete `.env` from `.env.example`, readable only by its owner; returns the names given a secret."""
    target, example = folder / ".env", (folder / ".env.example").read_text(encoding="utf-8")
    text = target.read_text(encoding="utf-8") if target.exists() else example
    missing = [line for line in EMPTY.findall(example) if not re.search(rf"^{line}=", text, re.MULTILINE)]
    if text and not text.endswith("\n"):
        text += "\n"
    text += "".join(f"{name}=\n" for name in missing)
    names = EMPTY.findall(text)
    if names:
        _replace(target, filled(text))
    return names


def main() -> None:
    """Print which names got a value, without any secret."""
    names = write(ROOT)
    summary = f".env has new values for {', '.join(names)}" if names else ".env has everything already"
    sys.stdout.write(f"{summary}\n")


def _secret(name: str) -> str:
    secret = secrets.token_urlsafe(PASSWORD_BYTES)
    return f"admin:{secret}" if name.endswith("_TOKENS") else secret


def _replace(target: Path, text: str) -> None:
    new = target.with_name(f".env.{secrets.token_hex(4)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(target)


if __name__ == "__main__":
    main()
