"""The wire contract of what comes in: a submission or a closing, as plain JSON, as a CloudEvent or over HTTP.

incoming   a message as it came
text       its body as text: content encodings, charsets, byte order marks
values     JSON whose numbers keep their digits
envelope   CloudEvents, structured and binary
bodies     the shapes of bodies
words      what is wrong with a body, in words for its sender
keys       idempotency keys
commands   what a message asks for
digest     identifies a body, so that a key reused with another is noticed
decode     a message becomes a command, or is rejected
"""

from distribution.messages.bodies import KEY, SOURCE_CODE, BlankOrText, SourceCode, SubmissionBody, Text, WireModel
from distribution.messages.commands import Closing, Command, Submission
from distribution.messages.decode import BODIES, CLOSE, SUBMIT, Asked, decode, read_submission, submission
from distribution.messages.digest import AS_WRITTEN, ROUNDED, is_same_body
from distribution.messages.envelope import CLOUDEVENTS_TYPE
from distribution.messages.incoming import (
    CUT_BYTES,
    JSON_TYPE,
    WHOLE_BYTES,
    Incoming,
    cut,
    storable,
    traceparent_of,
)
from distribution.messages.keys import MAX_KEY_BYTES, MAX_PRODUCER_BYTES, unquoted, usable_key
from distribution.messages.text import text_of
from distribution.messages.values import paired, parsed, written
from distribution.messages.words import describe

__all__ = [
    "AS_WRITTEN",
    "BODIES",
    "CLOSE",
    "CLOUDEVENTS_TYPE",
    "CUT_BYTES",
    "JSON_TYPE",
    "KEY",
    "MAX_KEY_BYTES",
    "MAX_PRODUCER_BYTES",
    "ROUNDED",
    "SOURCE_CODE",
    "SUBMIT",
    "WHOLE_BYTES",
    "Asked",
    "BlankOrText",
    "Closing",
    "Command",
    "Incoming",
    "SourceCode",
    "Submission",
    "SubmissionBody",
    "Text",
    "WireModel",
    "cut",
    "decode",
    "describe",
    "is_same_body",
    "paired",
    "parsed",
    "read_submission",
    "storable",
    "submission",
    "text_of",
    "traceparent_of",
    "unquoted",
    "usable_key",
    "written",
]
