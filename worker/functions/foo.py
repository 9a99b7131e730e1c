"""The smallest durable function: plain, so it runs as one step."""

import json
import time
from typing import Any

from durable_http import Step, function


@function(default_input={"foo": "bar"})
def foo(step: Step, data: Any) -> dict[str, Any]:
    """Processes the input and returns the time."""
    step.log.debug("processing")
    return {"result": f"Processed: {json.dumps(data)}", "timestamp": time.time()}
