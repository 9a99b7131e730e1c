"""Caps on what one process serves at a time."""

from __future__ import annotations

from typing import Self

from gateway.errors import TooManyRequests


class Limiter:
    """So many places; who finds none is refused at once. Used from the loop's thread only."""

    def __init__(self, most: int, refusal: str) -> None:
        self._most = most
        self._refusal = refusal
        self._taken = 0

    def __len__(self) -> int:
        return self._taken

    def one(self, id: str | None = None) -> Self:
        """Return what holds a place, for the execution of this id, while a `with` block runs.

        Raises `TooManyRequests`.
        """
        if self._taken >= self._most:
            raise TooManyRequests(self._refusal, id=id)
        return self

    def __enter__(self) -> None:
        self._taken += 1

    def __exit__(self, *_: object) -> None:
        self._taken -= 1
