"""What a refusal of the server means to a client."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from shared.resonate.transport import PROMISE_NOT_FOUND, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resonate.models.durable_promise import DurablePromise

    from gateway.errors import ServiceError


@contextlib.contextmanager
def refusal_means(code: int, error: ServiceError) -> Iterator[None]:
    """Raise `error` in place of a refusal with this code of the server's in the block."""
    try:
        yield
    except Refused as refusal:
        if refusal.code != code:
            raise
        raise error from refusal


def existing(id: str, get: Callable[[str], DurablePromise]) -> DurablePromise | None:
    """Return the promise of this id, None if there is none."""
    try:
        return get(id)
    except Refused as refusal:
        if refusal.code != PROMISE_NOT_FOUND:
            raise
        return None
