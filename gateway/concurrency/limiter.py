"""Limits on how many clients one process serves at a time."""

from __future__ import annotations

from typing import Self

from gateway.errors import TooManyRequests


class Limiter:
    """A number of places; a client that finds none is refused at once.

    Use it from the loop's thread only.
    """

    def __init__(self, places: int, refusal: str) -> None:
        self._places = places
        self._refusal = refusal
        self._taken = 0

    def __len__(self) -> int:
        """Return how many places are taken."""
        return self._taken

    def place(self, id: str | None = None) -> Self:
        """Return a context manager that holds one place; `id` is the execution's id.

        Raises `TooManyRequests`.
        """
        if self._taken >= self._places:
            raise TooManyRequests(self._refusal, id=id)
        return self

    def __enter__(self) -> None:
        self._taken += 1

    def __exit__(self, *_: object) -> None:
        self._taken -= 1
