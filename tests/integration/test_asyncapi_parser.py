"""The AsyncAPI document, read by the parser that its makers publish."""

import json
from pathlib import Path
from typing import Any

from tests.node_programs import node

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.json"
# Severity 0 is an error; the others are advice.
VALIDATE = """
const { Parser } = require("@asyncapi/parser");
let text = require("fs").readFileSync(process.env.FILE, "utf8");
new Parser().parse(text).then(({ document, diagnostics }) => {
  const errors = diagnostics.filter((d) => d.severity === 0).map((d) => `${d.path.join(".")}: ${d.message}`);
  console.log(JSON.stringify({ read: document !== undefined, errors }));
});
"""


def found_in(file: Path) -> dict[str, Any]:
    """Whether the parser could read it, and the errors that it found."""
    found: dict[str, Any] = json.loads(node(VALIDATE, {"FILE": str(file)}))
    return found


def test_the_parser_finds_no_error() -> None:
    """Code generators and pages of others can use it."""
    assert found_in(FILE) == {"read": True, "errors": []}


def test_the_parser_would_find_one(tmp_path: Path) -> None:
    """It looks: an operation that neither sends nor receives is an error."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    document["operations"]["receiveContactSubmit"]["action"] = "recieve"
    wrong = tmp_path / "asyncapi.json"
    wrong.write_text(json.dumps(document), encoding="utf-8")
    assert any("operations.receiveContactSubmit" in error for error in found_in(wrong)["errors"])
