"""The response to a client whose request never reaches the application: problem+json, then the connection closes."""

import json
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5


def refusal(status: HTTPStatus, detail: str) -> bytes:
    """Returns a complete HTTP/1.1 response."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    body = json.dumps(problem).encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "connection": "close",
    }
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(RETRY_SECONDS)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
