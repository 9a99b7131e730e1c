"""How many connections may be open at once, and what is answered to one more.

Each connection is an open file of the process. Without a limit clients that connect and do nothing
would use up the files that calls to the server need.
"""

from __future__ import annotations

import contextlib
import resource
import time
import uuid
from typing import Final

import msgspec

from gateway.http.answers.problems import RETRY_AFTER_SECONDS, SERVER_NAME, UNAVAILABLE, ProblemBody
from shared.log import get_logger

RESERVED_FILES: Final = 128
"""Open files kept for calls to the server, host lookups and the process itself."""

WARNING_SECONDS: Final = 60.0
"""Seconds between two log lines about refused connections."""

DETAIL: Final = "Too many connections are open; try again a little later."


def allow_many_connections() -> None:
    """Raise the limit of open files as far as allowed: each waiting client is one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # the old limit still works
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


class Room:
    """Counts the open connections in `taken`; `limit` is how many there may be."""

    def __init__(self, limit: int) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            limit = min(limit, max(files - RESERVED_FILES, files // 4))
        self.limit = limit
        self.taken = 0
        self._warned = float("-inf")

    def is_overfull(self) -> bool:
        """Return whether more connections are open than may be; logs so once a minute."""
        if self.taken <= self.limit:
            return False
        now = time.monotonic()
        if now - self._warned > WARNING_SECONDS:
            self._warned = now
            get_logger().warning("connections refused", limit=self.limit)
        return True


def refusal() -> bytes:
    """Return the answer to a connection for which there is no room, before any request of it."""
    request_id = uuid.uuid4().hex
    body = msgspec.json.encode(
        ProblemBody(
            type=f"/problems/{UNAVAILABLE.slug}",
            title=UNAVAILABLE.title,
            status=UNAVAILABLE.status,
            detail=DETAIL,
            request_id=request_id,
        )
    )
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        "Error-Source: gateway",
        f"Retry-After: {RETRY_AFTER_SECONDS}",
        f"Server: {SERVER_NAME}",
        f"X-Request-Id: {request_id}",
    )
    return "\r\n".join((*head, "", "")).encode() + body
