"""The wire contract of what comes in: a submission or a closing, as plain JSON, as a CloudEvent or over HTTP.

incoming   a message as it came
body_encoding  its body as text: content encodings, charsets, byte order marks
lossless_json  JSON whose numbers keep their digits
cloudevents  CloudEvents, structured and binary
body_models  the shapes of bodies
validation_messages  what is wrong with a body, in words for its sender
idempotency_keys  idempotency keys
commands   what a message asks for
digest     identifies a body, so that a key reused with another is noticed
decode     a message becomes a command, or is rejected
"""

from distribution.messages.body_encoding import text_of
from distribution.messages.body_models import KEY, SOURCE_CODE, BlankOrText, SourceCode, SubmissionBody, Text, WireModel
from distribution.messages.cloudevents import CLOUDEVENTS_TYPE
from distribution.messages.commands import Closing, Command, Submission
from distribution.messages.decode import BODIES, CLOSE, SUBMIT, Asked, decode, read_submission, submission
from distribution.messages.digest import AS_WRITTEN, ROUNDED, is_same_body
from distribution.messages.idempotency_keys import MAX_KEY_BYTES, MAX_PRODUCER_BYTES, unquoted, usable_key
from distribution.messages.incoming import (
    CUT_BYTES,
    JSON_TYPE,
    WHOLE_BYTES,
    Incoming,
    cut,
    storable,
    traceparent_of,
)
from distribution.messages.lossless_json import paired, parsed, written
from distribution.messages.validation_messages import describe

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
