"""What the page shows of real workers, one of which is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import call, wait_until
from tests.support.stack import PRESENCE, SHIPPED_MODULES, running_stack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

pytestmark = pytest.mark.skipif(not PRESENCE, reason="workers have no connections to gateways")


def bars_of(stack: Stack, id: str) -> dict[str, Any]:
    """Return the bars of an execution by their workers' names."""
    workers = call(f"{stack.url}/dashboard/state").body["workers"]
    return {worker["name"]: bar for worker in workers for bar in worker["bars"] if bar["id"] == id}


def test_a_killed_worker_and_the_one_that_goes_on_are_seen(tmp_path: Path) -> None:
    """The step that ran is marked where it repeats, and the time that it took is shown."""
    with running_stack(tmp_path, workers=2, modules=SHIPPED_MODULES) as stack:
        wait_until(
            lambda: len(call(f"{stack.url}/dashboard/state").body["workers"]) == 2, what="workers"
        )
        assert stack.begin("job", "checkout", {"pace": 1.5}).status == 202
        (holder,) = wait_until(
            lambda: [
                name
                for name, bar in bars_of(stack, "job").items()
                if [each["step"] for each in bar["segments"]][1:]
            ],
            what="the second step",
        )
        step = bars_of(stack, "job")[holder]["segments"][-1]["step"]

        stack.workers[holder].kill()
        wait_until(lambda: len(bars_of(stack, "job")) == 2, what="the other worker")
        other = next(name for name in stack.workers if name != holder)
        wait_until(lambda: bars_of(stack, "job")[other]["segments"], what="its step")

        bars = bars_of(stack, "job")
        state = call(f"{stack.url}/dashboard/state").body
        assert {bar["function"] for bar in bars.values()} == {"checkout"}
        assert (bars[holder]["state"], bars[other]["recovered_from"]) == ("lost", holder)
        first = bars[other]["segments"][0]
        assert (first["step"], first["again"]) == (step, True)
        last = state["recoveries"]["last"]
        assert (last["id"], last["from"], last["to"]) == ("job", holder, other)
        assert 0 < last["seconds"] < 10
        assert next(each["state"] for each in state["workers"] if each["name"] == holder) == "dead"
        assert stack.outcome("job", 60)["status"] == "resolved"
