"""Kills the worker that runs an execution: `python -m tools.kill [ID]`, or `make kill ID=…`.

Without an id it begins a `checkout` and kills the worker of that.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tools.api import NotAnsweredError, from_environment, wait_for
from tools.demo.scenes import new_id
from tools.stack import StackError, find_stack

if TYPE_CHECKING:
    from tools.api import Api

CLAIM_SECONDS = 15.0
"""Seconds to wait until a worker has claimed the execution."""


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
        stack.kill(name)
    except (StackError, NotAnsweredError) as error:
        print(f"kill: {error}", file=sys.stderr)
        return 1
    print(f'another worker continues: curl "{api.url}/wait?id={id}&include=steps"')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
