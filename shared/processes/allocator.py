"""How the C library keeps the memory of this process."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

ARENAS: Final = 2
"""Arenas that all threads share."""

M_ARENA_MAX: Final = -8
"""A number of glibc's malloc.h."""


def limit_arenas() -> None:
    """Have all threads share few arenas; call this before the first thread starts.

    glibc gives threads up to eight arenas a core, and each keeps most of what large values took in
    it. One thread allocates at a time, since it holds the interpreter's lock, so few are enough.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
