"""A worker of the stock SDK, with the functions of `bench.flows`: `python -m ...worker`."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from resonate import Resonate

if TYPE_CHECKING:
    from collections.abc import Generator

    from resonate.resonate import Context

HOUR = 3600
STEPS = ("reserve", "charge", "pack", "ship", "notify")


def foo(context: Context, data: Any) -> dict[str, Any]:  # noqa: ARG001 - the SDK passes it
    """Process the input and return the time."""
    return {"result": f"Processed: {json.dumps(data)}", "timestamp": time.time()}


def steps(context: Context, count: int | None) -> Generator[Any, Any, int]:
    """Run so many light steps, one after the other."""
    total = 0
    for number in range(3 if count is None else count):
        total = yield context.run(add, total, number)
    return total


def sleeper(context: Context, data: Any) -> Generator[Any, Any]:  # noqa: ARG001
    """Run a light step and then sleep for an hour."""
    yield context.run(add, 0, 1)
    yield context.sleep(HOUR)


def checkout(context: Context, pace: float) -> Generator[Any, Any, int]:
    """Run five steps, each of which takes so many seconds."""
    done = 0
    for name in STEPS:
        done += yield context.run(work, context.id, name, pace)
    return done


def work(context: Context, id: str, name: str, pace: float) -> int:  # noqa: ARG001
    """Write down the begin of a step as our workers do, and take some time."""
    now = datetime.now(UTC).isoformat()
    line = {"event": "step started", "execution": id, "step": name, "timestamp": now}
    print(json.dumps(line), flush=True)
    time.sleep(pace)
    return 1


def add(context: Context, total: int, number: int) -> int:  # noqa: ARG001
    """Add two numbers."""
    return total + number


def main() -> None:
    """Serve until a signal ends the process."""
    resonate = Resonate.remote(
        group="worker",
        host=os.environ["RESONATE_HOST"],
        store_port=os.environ["RESONATE_PORT_STORE"],
        message_source_port=os.environ["RESONATE_PORT_MESSAGE_SOURCE"],
        log_level="WARNING",
    )
    resonate.register(foo)
    resonate.register(steps)
    resonate.register(sleeper)
    resonate.register(checkout)
    resonate.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
