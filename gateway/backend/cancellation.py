"""Canceling what is below an execution that was canceled: its children, and theirs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.ids import cancel_key, parts_pattern
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from shared.resonate.store import Promises


def cancel_below(promises: Promises, root: str, seconds: float) -> bool:
    """Cancel pending executions below `root` for so many seconds; tell whether none was left.

    What is canceled can begin nothing more, so they become fewer; one that was begun by another
    before that was canceled is found by the next look.
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
