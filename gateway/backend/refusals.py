"""What a refusal of the server means to a client."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from shared.resonate.transport import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

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
