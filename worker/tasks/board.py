"""A page of memory that a worker and its renewer share.

User code can hold the interpreter's lock of the worker for seconds. So the renewer reports nothing
through a pipe, which a thread of the worker would have to read: it writes here, and whoever needs
the truth reads it here. Times are monotonic, by a clock that is the same in both processes.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Final

RENEWALS_PER_LEASE: Final = 3
"""Renewals in the time of one lease: enough for one to be lost and the next to be late."""

SIZE: Final = 4096
REASON_AT: Final = 1024
REASON_BYTES: Final = 512

HELD, BEATS, RENEWED, UNBROKEN, FAILURES, RENEWER = range(6)
"""Places of the numbers, each of eight bytes, which are written and read in one go."""


class Board:
    """What the worker holds, written by the worker; what was renewed, written by the renewer."""

    def __init__(self, fd: int | None = None) -> None:
        """Create a board, or open the one of a parent process."""
        self.fd = _new_file() if fd is None else fd
        self._memory = mmap.mmap(self.fd, SIZE)
        self._numbers = memoryview(self._memory).cast("d")
        if fd is None:
            self._numbers[RENEWED] = float("-inf")
            self._numbers[UNBROKEN] = float("inf")

    @property
    def held(self) -> int:
        """Number of claims that the worker holds; nothing is renewed while it is 0."""
        return int(self._numbers[HELD])

    @held.setter
    def held(self, number: int) -> None:
        self._numbers[HELD] = number

    @property
    def beats(self) -> int:
        """Number that the worker changes while its interpreter can run its threads."""
        return int(self._numbers[BEATS])

    def beat(self) -> None:
        self._numbers[BEATS] += 1

    @property
    def renewer(self) -> int:
        """Process id of the renewer that runs, 0 while none does."""
        return int(self._numbers[RENEWER])

    @renewer.setter
    def renewer(self, process: int) -> None:
        self._numbers[RENEWER] = process

    @property
    def renewed_at(self) -> float:
        """Time when the latest renewal that was acknowledged was sent."""
        return self._numbers[RENEWED]

    @property
    def unbroken_since(self) -> float:
        """Time since when no two renewals were a lease or more apart."""
        return self._numbers[UNBROKEN]

    def renewed(self, sent_at: float, answered_at: float, lease: float) -> None:
        """Record a renewal that was acknowledged."""
        if answered_at - self.renewed_at >= lease:
            self._numbers[UNBROKEN] = answered_at  # before the other, for who reads in between
        self._numbers[RENEWED] = sent_at

    @property
    def failures(self) -> int:
        """Number of renewals that were not acknowledged."""
        return int(self._numbers[FAILURES])

    def failed(self, reason: str) -> None:
        """Record a renewal that was not acknowledged."""
        text = reason.encode("utf-8", "replace")[:REASON_BYTES].ljust(REASON_BYTES, b"\0")
        self._memory[REASON_AT : REASON_AT + REASON_BYTES] = text
        self._numbers[FAILURES] += 1

    @property
    def reason(self) -> str:
        """The reason of the latest failure."""
        text = self._memory[REASON_AT : REASON_AT + REASON_BYTES].rstrip(b"\0")
        return text.decode("utf-8", "replace")


def _new_file() -> int:
    """Return a file without a name, for this process and those that it passes the number to."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("leases")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, SIZE)
    return fd
