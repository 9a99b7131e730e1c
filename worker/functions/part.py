"""One part of a `fanout`: plain, so it runs as one step of its own execution."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.durable.steps import Step


def part(step: Step, options: dict[str, Any] | None) -> dict[str, Any]:
    """Take `pace` seconds; return the part's number and the worker that did it."""
    options = options or {}
    time.sleep(float(options.get("pace", 0)))
    return {"number": options.get("number"), "worker": step.worker}
