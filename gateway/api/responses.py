"""What answers about executions have in common."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import msgspec
from cachetools import LRUCache

from gateway.errors import ExecutionCanceled, ExecutionRejected, ExecutionTimedOut
from gateway.http.answers.responses import Content, LateContent
from gateway.model.representation import execution_body, failure_body
from gateway.updates.cache import memory_of

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

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Memory of the contents of answers that are kept."""

ENDED_AS: Final[Mapping[str, str]] = {
    "rejected": "was rejected",
    "canceled": "was canceled",
    "timedout": "timed out",
}


ENDED_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "private, max-age=86400"}
PENDING_HEADERS: Final[Mapping[str, str]] = {"Retry-After": "1", "Cache-Control": "no-store"}


def caching_headers(execution: Execution) -> Mapping[str, str]:
    """Return the headers that say how long to keep an answer, or when to ask again."""
    return ENDED_HEADERS if execution.done else PENDING_HEADERS


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
        return Content(made_of(execution))
    by_digest = made_of(execution.by_digest())
    return LateContent(
        Content(b"by digest: " + by_digest).tag,
        len(by_digest) + sum(value.size for value in values),
        lambda: backend.values.made_of(execution, made_of, with_input=with_input),
    )


def state_content(
    backend: Backend,
    execution: Execution,
    now: float,
    include: frozenset[str] = frozenset(),
    queued_because: str | None = None,
) -> Content | LateContent:
    """Return the content of an answer of /wait at the server's time `now`.

    `include` may hold `input` and `steps`.
    """

    def state(execution: Execution) -> bytes:
        return msgspec.json.encode(execution_body(execution, include, now, queued_because))

    return content_of(backend, execution, state, with_input="input" in include)


class StateContents:
    """Keeps the contents of answers of /wait, each as long as the execution is told as it is.

    Clients that wait for one execution are answered one after another, and clients that poll it
    again and again, all from one content. A pending execution is replaced within a second, so what
    its content says of the time is no older either.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._kept: LRUCache[str, tuple[Execution, Content | LateContent]] = LRUCache(
            KEPT_BYTES, getsizeof=_memory_of
        )

    def of(self, execution: Execution) -> Content | LateContent:
        """Return the content of an answer of /wait about an execution, without anything more."""
        kept = self._kept.get(execution.id)
        if kept is not None and kept[0] is execution:
            return kept[1]
        content = state_content(self._backend, execution, self._backend.clock.time())
        with contextlib.suppress(ValueError):  # it is larger than all that is kept
            self._kept[execution.id] = execution, content
        return content


def _memory_of(kept: tuple[Execution, Content | LateContent]) -> int:
    execution, content = kept
    return memory_of(execution) + (len(content.raw) if isinstance(content, Content) else 0)
