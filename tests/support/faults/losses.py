"""Why workers have ended: what their logs say of the time up to that."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any, Final

from tests.support.faults.hostile_verdict import Lost
from tests.support.worker.misbehaving import POISONED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.faults.supervisor import Ended
    from tests.support.stack import Stack

CODES: Final = frozenset({POISONED, -signal.SIGSEGV})
"""Exit codes of a worker that a poison has ended."""

BY_ITSELF: Final = frozenset({"worker broken", "worker to be replaced", "draining"})
"""Events of a worker that ends itself."""


def losses(stack: Stack, ended: Sequence[Ended], poison: str = "poison-") -> list[Lost]:
    """Return the ends of workers, each with the poison that the process ran; ids begin `poison`."""
    found, begins = [], dict.fromkeys(stack.workers, 0)
    for end in ended:
        raw = stack.workers[end.name].log.read_bytes()[begins[end.name] : end.log]
        begins[end.name] = end.log
        events = [event for line in raw.splitlines() if (event := _event(line))]
        own = [str(event.get("reason", event["event"])) for event in events if _is_own(event)]
        ids = [id for event in events if (id := str(event.get("execution", ""))).startswith(poison)]
        killed = ids[-1] if ids and end.code in CODES else None
        found.append(Lost(end.name, end.code, killed, own[0] if own else None))
    return found


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and "event" in event else {}


def _is_own(event: dict[str, Any]) -> bool:
    return event["event"] in BY_ITSELF
