"""What clients see of a step that runs again after its execution was blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.flows import blocked, deploy, module
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

HELD = """

def held(step, end):
    while not os.path.exists(end):
        time.sleep(0.02)
    return 1
"""


def test_a_step_that_runs_again_is_running(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """Its execution is no longer blocked, and its worker is the one that runs the step."""
    end = tmp_path / "end"
    written = module({"flow": f"\n    return (yield context.step(held, {str(end)!r}))\n"})
    written = f"import os, time\n{written}{HELD}"
    deploy(bare_stack, "lost", tmp_path, written)
    bare_stack.create(job, "flow", seconds=300)
    wait_until(lambda: bare_stack.state(job, steps=True)["steps"], what="the step's start")
    bare_stack.workers["lost"].kill()
    deploy(bare_stack, "other", tmp_path, module({"flow": "\n    yield context.sleep(1)\n"}))
    assert blocked(bare_stack, job)["found"] == "sleep"
    assert bare_stack.state(job)["phase"] == "blocked"

    deploy(bare_stack, "fits", tmp_path, written)
    bare_stack.workers["other"].kill()
    wait_until(lambda: ("fits", "held") in bare_stack.starts(job), what="the step's next start")
    wait_until(lambda: bare_stack.state(job)["phase"] == "running", what="the phase running")
    state = bare_stack.state(job)
    end.touch()
    outcome = bare_stack.outcome(job)

    assert (state["worker"], state["attempt"], state["recovered_from"]) == ("fits", 2, "lost")
    assert (outcome["result"], outcome["steps"][0]["worker"]) == (1, "fits")
