"""`make compose-env`: a .env for docker compose, with passwords of its own. Needs nothing but Python."""

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
    """Make or complete `.env` from `.env.example`, readable by its owner alone; returns the names that got a secret."""
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
    """Say what was done, without any secret."""
    names = write(ROOT)
    done = f".env has new values for {', '.join(names)}" if names else ".env has everything already"
    sys.stdout.write(f"{done}\n")


def _secret(name: str) -> str:
    made = secrets.token_urlsafe(PASSWORD_BYTES)
    return f"admin:{made}" if name.endswith("_TOKENS") else made


def _replace(target: Path, text: str) -> None:
    new = target.with_name(f".env.{secrets.token_hex(4)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(target)


if __name__ == "__main__":
    main()
