"""Executions that this worker cannot go on with, and their records, which clients see.

<id>.blocked.<k>    what the stored history expects and what the code asks for; pending while no
                    worker has gone on with the execution
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import orjson

from shared.ids import stored_id
from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.store import Store
from shared.resonate.tasks import read_nothing
from shared.resonate.transport import Refused, Unanswered
from worker.store.history import claim_tags, newest_blocked

if TYPE_CHECKING:
    from shared.resonate.transport import Transport
    from worker.tasks.claims import Blocked, Claim

MOST_REMEMBERED: Final = 10_000
"""Executions that are remembered as blocked."""

REMEMBERED_SECONDS: Final = 3600.0
"""Seconds after which an execution is tried again by the same worker, whose code is the same: the
function may have taken another way by chance."""


class BlockedExecutions:
    """Remembers which executions this worker cannot go on with. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[str, tuple[float, Blocked]] = OrderedDict()
        self.count = 0
        """How often an execution was found to be blocked; one that stays so counts again."""

    def add(self, execution: str, blocked: Blocked) -> None:
        """Remember that the execution is blocked."""
        with self._lock:
            self.count += 1
            self._found.pop(execution, None)
            self._found[execution] = (time.monotonic(), blocked)
            while len(self._found) > MOST_REMEMBERED:
                self._found.popitem(last=False)

    def get(self, execution: str) -> Blocked | None:
        """Return why the execution was blocked lately, None if it was not."""
        with self._lock:
            at, blocked = self._found.get(execution, (0.0, None))
        return blocked if time.monotonic() - at < REMEMBERED_SECONDS else None


def record_blocked(transport: Transport, claim: Claim, worker: str) -> None:
    """Record for clients that the execution is blocked, unless a record says so already."""
    blocked = claim.blocked
    if blocked is None:
        return
    fields = {"expected": blocked.expected, "found": blocked.found, "version": claim.version}
    log = get_logger()
    log.warning("execution blocked", **claim.log_fields, **fields)
    try:
        newest = newest_blocked(Store(transport).promises, claim.execution)
        if newest is not None and newest.pending:
            return
        number = 1 if newest is None else int(newest.id.rpartition(".")[2]) + 1
        id = f"{claim.execution}.blocked.{number}"
        tags = {**claim_tags(claim, worker), tag.BLOCKED: orjson.dumps(fields).decode()}
        body = {"id": stored_id(id), "param": {}, "timeout": claim.deadline, "tags": tags}
        headers = {**claim.fence, "idempotency-key": id}
        transport.call("POST", "/promises", body, headers, read=read_nothing)
    except (Refused, Unanswered) as error:
        log.info("blocked execution not recorded", **claim.log_fields, reason=str(error))
