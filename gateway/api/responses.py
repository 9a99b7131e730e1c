"""What answers about executions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.errors import ExecutionCanceled, ExecutionRejected, ExecutionTimedOut
from gateway.http.responses import Content, LateContent
from gateway.model.representation import execution_body, failure_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.backend.client import Backend
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


def content_of(
    backend: Backend,
    execution: Execution,
    made_of: Callable[[Execution], bytes],
    *,
    with_input: bool = False,
) -> Content | LateContent:
    """Return what is made of an execution as content, which is late if it has large values.

    Its tag is then made from their digests, before they are read.
    """
    values = execution.large_values(with_input=with_input)
    if not values:
        return Content.of_bytes(made_of(execution))
    by_digest = made_of(execution.by_digest())
    return LateContent(
        Content.of_bytes(b"by digest: " + by_digest).tag,
        len(by_digest) + sum(value.size for value in values),
        lambda: backend.values.made_of(execution, made_of, with_input=with_input),
    )


def state_content(
    backend: Backend, execution: Execution, now: float, include: frozenset[str] = frozenset()
) -> Content | LateContent:
    """Return the content of an answer of /wait at the server's time `now`.

    `include` may hold `input` and `steps`.
    """

    def state(execution: Execution) -> bytes:
        return msgspec.json.encode(execution_body(execution, include, now))

    return content_of(backend, execution, state, with_input="input" in include)


class EndedContent:
    """Keeps the content for the last ended execution that was asked for.

    Clients that wait for one execution are answered one after another, all from this content.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._last: tuple[Execution, Content | LateContent] | None = None

    def of(self, execution: Execution) -> Content | LateContent:
        """Return the content of an answer of /wait about an execution that has ended."""
        if self._last is None or self._last[0] is not execution:
            self._last = execution, state_content(self._backend, execution, 0.0)
        return self._last[1]
