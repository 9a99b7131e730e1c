"""Content types and problems of a gateway's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.processes import Answer

JSON: Final = "application/json; charset=utf-8"
PROBLEM_JSON: Final = "application/problem+json"

PROBLEMS: Final = {
    "invalid-request": (400, "The request breaks a rule"),
    "unknown-id": (404, "There is no execution of this id"),
    "unknown-function": (404, "There is no function of this name"),
    "unauthorized": (401, "A token is needed"),
    "not-found": (404, "There is nothing at this path"),
    "method-not-allowed": (405, "The path does not take this method"),
    "payload-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body must be JSON"),
    "signal-conflict": (409, "The signal cannot be delivered"),
    "too-many-requests": (429, "Too many requests"),
    "invalid-input": (422, "The input or the callback is not valid"),
    "id-reused": (422, "The id belongs to another request"),
    "value-lost": (500, "A stored value cannot be read"),
    "internal": (500, "The service failed"),
    "overloaded": (503, "This gateway holds as much as it may"),
    "backend-unavailable": (503, "The service cannot answer right now"),
}
"""Status and title of every problem that a client may meet."""


def assert_problem(answer: Answer, slug: str, instance: str, detail: str, **also: object) -> None:
    """Check the whole body and the headers of a problem."""
    status, title = PROBLEMS[slug]
    expected = {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": answer.headers["X-Request-Id"],
        **also,
    }
    assert (answer.status, answer.body) == (status, expected)
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert answer.headers["Error-Source"] == "gateway"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers.get("Retry-After") == ("1" if status in {429, 503} else None)
