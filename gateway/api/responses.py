"""What answers about executions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.errors import ExecutionCanceled, ExecutionRejected, ExecutionTimedOut
from gateway.http.responses import Content
from gateway.model.representation import execution_body, failure_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.model.execution import Execution

FAILED: Final[Mapping[str, type[ExecutionRejected | ExecutionCanceled | ExecutionTimedOut]]] = {
    "rejected": ExecutionRejected,
    "canceled": ExecutionCanceled,
    "timedout": ExecutionTimedOut,
}
"""Errors for executions that ended without a result, by status."""

ENDED_AS: Final[Mapping[str, str]] = {
    "rejected": "was rejected",
    "canceled": "was canceled",
    "timedout": "timed out",
}


def caching_headers(execution: Execution) -> dict[str, str]:
    """Return the headers that say how long to keep an answer, or when to ask again."""
    if execution.done:
        return {"Cache-Control": "private, max-age=86400"}
    return {"Retry-After": "1", "Cache-Control": "no-store"}


def raise_if_failed(execution: Execution) -> None:
    """Raise the error of an execution that has ended without a result."""
    error = FAILED.get(execution.status)
    if error is not None:
        ended = ENDED_AS[execution.status]
        why = None if execution.error is None else failure_body(execution.error)
        detail = f"The execution {ended}; see /wait?id={execution.id}."
        raise error(detail, id=execution.id, error=why)


def state_content(
    execution: Execution, now: float, include: frozenset[str] = frozenset()
) -> Content:
    """Return the content of an answer of /wait at the server's time `now`.

    `include` may hold `input` and `steps`.
    """
    return Content.of_json(execution_body(execution, include, now))


class EndedContent:
    """Keeps the content for the last ended execution that was asked for.

    Clients that wait for one execution are answered one after another, all from this content.
    """

    def __init__(self) -> None:
        self._last: tuple[Execution, Content] | None = None

    def of(self, execution: Execution) -> Content:
        """Return the content of an answer of /wait about an execution that has ended."""
        if self._last is None or self._last[0] is not execution:
            self._last = execution, state_content(execution, 0.0)
        return self._last[1]
