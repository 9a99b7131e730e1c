"""Keeps Python from collecting garbage during work that makes very many objects and drops them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def without_collections[T](call: Callable[[], T]) -> T:
    """Call it without collections of garbage; one thread may do so at a time.

    A collection visits the objects that were made lately. Half a million lists are visited again
    and again while they are made, which takes three times as long as to make them, and reference
    counting frees them anyway.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return call()
    finally:
        if was_enabled:
            gc.enable()
