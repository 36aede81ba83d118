"""What schemathesis cannot know: which good requests the API still refuses, and rightly so.

A JSON schema says what each field may hold. What fields say together, and whether what they name is there, it cannot.
"""

import json
import re
from typing import Any

import schemathesis

RIGHTLY_REFUSED = re.compile(
    "|".join((
        r"operator_id: There is no operator \d+\.",
        r"operators\.\d+\.operator_id: (There is no operator \d+|Operator \d+ is listed twice)\.",
        r"There is no source '[a-z0-9_-]{1,64}'; make it, then replay this message\.",
        r"is_active: must be false to move the operator's contacts away",
        r"message_id: differs from the header Idempotency-Key",
        r"Set message_id: it is the idempotency key\.",
        r"message_id must have 1 to 255 bytes of UTF-8, none of them NUL\.",
    ))
)  # fmt: skip


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Whether it is a failure: not where a good request was refused for one of these reasons, or for its If-Match."""
    if failure.title != "Schema-valid request rejected":
        return True
    if response.status_code == 412:
        return False
    return RIGHTLY_REFUSED.search(json.loads(response.content)["detail"]) is None
