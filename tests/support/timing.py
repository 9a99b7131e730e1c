"""What work costs, measured so that other load on the machine makes little difference."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def processor_seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call on this thread, the best of five."""
    found = []
    for _ in range(5):
        began = time.thread_time()
        call()
        found.append(time.thread_time() - began)
    return min(found)
