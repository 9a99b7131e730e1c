"""Caps on what one process serves at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from shared.errors import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Iterator


class Places:
    """So many places; who finds none is refused at once. Used from the loop's thread only."""

    def __init__(self, most: int, refusal: str) -> None:
        self._most = most
        self._refusal = refusal
        self._taken = 0

    def __len__(self) -> int:
        return self._taken

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place until the block ends. Raises `TooManyRequests`."""
        if self._taken >= self._most:
            raise TooManyRequests(self._refusal)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
