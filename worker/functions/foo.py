"""The smallest durable function: plain, so it runs as one step."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.durable.steps import Step


def foo(step: Step, data: Any) -> dict[str, Any]:
    """Return the input as text, and the time in seconds since the epoch."""
    step.log.debug("processing")
    return {"result": f"Processed: {json.dumps(data)}", "timestamp": time.time()}
