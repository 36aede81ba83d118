"""The wire format of incoming messages: submissions and closings, as plain JSON, as CloudEvents or over HTTP.

incoming                    a message as it was received
body_encoding               decodes a body to text: content encodings, charsets, byte order marks
lossless_json               JSON whose numbers keep their digits
cloudevents                 CloudEvents, structured and binary
body_models                 the schemas of bodies
validation_messages         words the errors of a body for its sender
idempotency_key_validation  validates idempotency keys
commands                    the commands that messages contain
digest                      identifies a body, so that a key reused with another body is detected
decode                      decodes a message into a command, or rejects it
"""

from distribution.messages.body_encoding import text_of
from distribution.messages.body_models import KEY, SOURCE_CODE, BlankOrText, SourceCode, SubmissionBody, Text
from distribution.messages.cloudevents import CLOUDEVENTS_TYPE
from distribution.messages.commands import Closing, Command, Submission
from distribution.messages.decode import BODIES, CLOSE, SUBMIT, decode, read_submission, submission
from distribution.messages.digest import AS_WRITTEN, ROUNDED, is_same_body
from distribution.messages.idempotency_key_validation import MAX_KEY_BYTES, MAX_PRODUCER_BYTES, unquoted
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
    "BlankOrText",
    "Closing",
    "Command",
    "Incoming",
    "SourceCode",
    "Submission",
    "SubmissionBody",
    "Text",
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
    "written",
]
