"""The code that docs/contract/ shows to copy."""

import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "contract"

INSTALLATIONS = ("pip install", "npm install")


def blocks(page: str, language: str) -> list[str]:
    """The page's code in a language, without how to install a library."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for block in found if not block.startswith(INSTALLATIONS)]
