"""Kills the worker that runs an execution: `python -m tools.kill [ID]`, or `make kill ID=…`.

It says after how long another worker went on.
Without an id it begins a `checkout` and kills the worker of that.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tools.api import NotAnsweredError, from_environment, wait_for
from tools.demo.scenes import new_id
from tools.stack import StackError, find_stack

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tools.api import Api
    from tools.stack import Stack

CLAIM_SECONDS = 15.0
"""Seconds to wait until a worker has claimed the execution, or another one has it."""


def worker_of(api: Api, id: str) -> str:
    """Return the name of the worker that runs the execution. Raises `StackError`."""

    def claimed() -> dict[str, Any] | None:
        state = api.state(id)
        return state if state is not None and (state["done"] or "worker" in state) else None

    state = wait_for(claimed, CLAIM_SECONDS)
    if state is None:
        raise StackError(f"no worker runs {id}, or the gateway at {api.url} does not answer")
    if state["done"]:
        raise StackError(f"{id} has ended already: {state['status']}")
    return str(state["worker"])


def kill(api: Api, stack: Stack, id: str, name: str) -> float | None:
    """Kill the worker that runs the execution.

    Returns the seconds until another one had it, or None if none had it in time. Raises
    `StackError`.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(1) as killer:
        # Aside: `docker kill` returns long after the worker is dead.
        killing = killer.submit(stack.kill, name)
        is_over = wait_for(lambda: _is_elsewhere(api, id, name) or _failed(killing), CLAIM_SECONDS)
        seconds = time.monotonic() - began
        killing.result()
    return seconds if is_over else None


def _is_elsewhere(api: Api, id: str, name: str) -> bool:
    worker: str = (api.state(id) or {}).get("worker", name)
    return worker != name


def _failed(call: Future[None]) -> bool:
    return call.done() and call.exception() is not None


def main(arguments: list[str]) -> int:
    """Return 0 if a worker was killed, 1 if not."""
    api, id = from_environment(), arguments[0] if arguments else new_id("kill")
    try:
        stack = find_stack()
        if not arguments:
            api.begin(id, "checkout", {"pace": 1.0})
            print(f"began {id}")
        name = worker_of(api, id)
        print(stack.kill_command(name))
        seconds = kill(api, stack, id, name)
    except (StackError, NotAnsweredError) as error:
        print(f"kill: {error}", file=sys.stderr)
        return 1
    link = f'curl "{api.url}/wait?id={id}&include=steps"'
    if seconds is None:
        print(f"no other worker has it after {CLAIM_SECONDS:g} s: {link}")
    else:
        print(f"another worker went on after {seconds:.2f} s: {link}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
