"""Canceling what is below a canceled execution: its children, and their children."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.ids import cancel_key, parts_pattern
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from shared.resonate.store import Promises


def cancel_below(promises: Promises, root: str, seconds: float) -> bool:
    """Cancel pending executions below `root`, for this many seconds at most.

    Returns whether none is left. They become fewer, since a canceled execution begins nothing more;
    a child that was begun just before its parent was canceled is found by the next search.
    """
    end = time.monotonic() + seconds
    wanted = {tag.KIND: tag.CHILD, tag.ROOT: root}
    while True:
        found, _ = promises.search(parts_pattern(root), wanted, state="pending")
        if not found:
            return True
        for child in found:
            if time.monotonic() > end:
                return False
            promises.cancel(child.id, ikey=cancel_key(child.id))
