"""What senders read: words about JSON and their own fields, never about a program."""

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from admin_api.routes import all_operations
from distribution.errors import MessageRejected
from distribution.messages import Incoming, decode, describe
from distribution.messages.body_models import ClosingBody, SubmissionBody
from tests.factories import MAX_BYTES

FOREIGN = (
    "instance", "object to", "Input", "pydantic", "dict", "str ", "int ", "None", "Error", "Body", "validation",
    "UUID ob", "float", "bool", "class", "<", "Operator", "Source", "Contact",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**80, 1.5, "", " ", "x" * 300, "a\0", "nonsense", [], [None], {}, {"a": 1}, [{}],
)  # fmt: skip


def models() -> list[type[BaseModel]]:
    """Every shape of a body or a query that a sender can get wrong."""
    found = {model for operation in all_operations() for model in (operation.body, operation.query) if model}
    return sorted(found | {SubmissionBody, ClosingBody}, key=lambda model: model.__name__)


def all_of(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Objects with each value in each field, and one whose lead is wrong within."""
    names = [*model.model_fields, "unknown"]
    inner = [{"lead": {"external_id": value, "phone": value}} for value in VALUES]
    return [{name: value} for name in names for value in VALUES] + [{}, *inner]


def as_python(model: type[BaseModel], content: object) -> ValidationError | None:
    """What is wrong with a value."""
    try:
        model.model_validate(content)
    except ValidationError as wrong:
        return wrong
    return None


def as_json(model: type[BaseModel], content: object) -> ValidationError | None:
    """What is wrong with a document."""
    try:
        model.model_validate_json(json.dumps(content))
    except ValidationError as wrong:
        return wrong
    return None


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_no_word_is_a_programs(model: type[BaseModel]) -> None:
    """Nothing that can be wrong with a body or a query is told in the words of a library or of our classes."""
    for content in [*all_of(model), *VALUES]:
        for wrong in (as_python(model, content), as_json(model, content)):
            for _, words in describe(wrong.errors(include_url=False)) if wrong else ():
                assert not [each for each in FOREIGN if each in words], words


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_kind_of_error_has_words(kind: str) -> None:
    """A kind of error that no shape of today can raise is told in our words, too."""
    context = dict.fromkeys(
        ("min_length", "max_length", "pattern", "expected", "gt", "ge", "lt", "le", "multiple_of", "error"), 3
    )
    error = ErrorDetails(type=kind, loc=("a", 0), msg="Input should be an instance of X", input=None, ctx=context)
    [(name, words)] = describe([error])
    assert name == "a.0"
    assert words
    assert not [each for each in FOREIGN if each in words], words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'{"source": ', "a value is missing or misspelt (line 1, column 12)"),
        (b"{'source': 1}", "a name in double quotes is missing (line 1, column 2)"),
        (b'{"a": 1 "b": 2}', "a comma is missing (line 1, column 9)"),
        (b'{"a" 1}', "a colon is missing"),
        (b'{"a": 1} more', "there is more after its end"),
        (b'{"a": "1', "a string that begins there does not end"),
        (b'{"a": "\n"}', "is not escaped (line 1, column 8)"),
        (rb'{"a": "\x41"}', "a backslash stands before"),
        (rb'{"a": "\u00"}', "without four hexadecimal digits"),
        (b'{"a": 01}', "a comma is missing"),
        (b'{"a": nul}', "a value is missing or misspelt"),
        (b"[" * 100_000, "nested too deep"),
        (b"17", "not an object"),
        (b'{"a": 1e999}', "above 1.8e308"),
    ],
)
def test_where_json_breaks_off_is_told(raw: bytes, words: str) -> None:
    """The sender reads what is missing and where, in the words of JSON."""
    with pytest.raises(MessageRejected) as refusal:
        decode(Incoming(raw, message_id="k"), MAX_BYTES)
    assert words in refusal.value.detail


@pytest.mark.parametrize("external_id", ["", " ", "\t\n", "\u3000", " " * 300, " x" * 200])
def test_a_blank_external_id_is_refused(external_id: str) -> None:
    """A lead that nobody can be told by is none."""
    raw = json.dumps({"source": "bot", "lead": {"external_id": external_id}}).encode()
    with pytest.raises(MessageRejected) as refusal:
        decode(Incoming(raw, message_id="k"), MAX_BYTES)
    assert refusal.value.detail == "lead.external_id: must have 1 to 255 characters, not counting surrounding spaces."
