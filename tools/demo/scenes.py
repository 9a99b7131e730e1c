"""The scenes of the demonstration: each changes the service and returns a verdict."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tools.api import NotAnsweredError, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tools.api import Api
    from tools.stack import Stack

PACE: Final = 1.0
"""Seconds that each step of the checkout takes."""

KILLED_STEP: Final = "pack"
STEPS: Final = ("reserve", "charge", "pack", "ship", "notify")
RESUME_SECONDS: Final = 1.5
"""Seconds until another worker must have taken over: less than a lease, which is 2 s by default."""

BEGINS: Final = 1000
CLIENTS: Final = 64
"""Begins of one id, and the threads that send them."""


@dataclass
class Verdict:
    """The result of a scene: facts to print, and faults if the service broke a promise."""

    facts: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:  # noqa: FBT001 - reads like an assertion
        if not holds:
            self.faults.append(fault)


@dataclass
class CrashView:
    """The first scene as the screen shows it: the execution's steps, and the killed worker."""

    id: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    finished: list[dict[str, Any]] = field(default_factory=list)
    killed: str = ""
    kill: Future[None] | None = None
    killed_at: float = 0.0
    resumed_after: float | None = None


def new_id(name: str) -> str:
    """Return an id that no earlier demonstration has used."""
    return f"demo-{name}-{uuid.uuid4().hex[:8]}"


def kill_a_worker(api: Api, stack: Stack, show: Callable[[CrashView], None]) -> Verdict:
    """Kill the worker that runs the third of five steps; another one must take that step over."""
    verdict, view = Verdict(), CrashView(new_id("checkout"))
    api.begin(view.id, "checkout", {"pace": PACE})
    with ThreadPoolExecutor(1) as killer:

        def kill(name: str) -> None:
            # Aside: `docker kill` returns long after the worker is dead.
            view.kill = killer.submit(stack.kill, name)

        outcome = wait_for(lambda: _advance(api, kill, view, show), 60)
    if view.kill is not None:
        view.kill.result()
        stack.revive(view.killed)
    verdict.expect(outcome is not None, "the execution did not end within 60 s")
    if outcome is None or view.resumed_after is None:
        verdict.expect(view.resumed_after is not None, "no other worker took over")
        return verdict
    repeated = _repeated_steps(stack, view, outcome)
    verdict.facts = {
        "time to resume": f"{view.resumed_after:.2f} s",
        "finished steps repeated": str(len(repeated)),
        "interrupted step": f"{KILLED_STEP}, begun by {view.killed}, done by {outcome['worker']}",
        "result": f"{outcome['status']}, attempt {outcome['attempt']}",
    }
    verdict.expect(not repeated, f"finished steps ran again: {', '.join(repeated)}")
    verdict.expect(
        view.resumed_after < RESUME_SECONDS, f"resuming took more than {RESUME_SECONDS:g} s"
    )
    verdict.expect(outcome["status"] == "resolved", f"the execution ended {outcome['status']}")
    verdict.expect(
        tuple(step["name"] for step in outcome["steps"]) == STEPS, "the steps are not the five"
    )
    return verdict


def _advance(
    api: Api, kill: Callable[[str], None], view: CrashView, show: Callable[[CrashView], None]
) -> dict[str, Any] | None:
    """Update the view, kill the worker when its step has begun, and return the outcome."""
    state = api.state(view.id)
    if state is None:
        return None
    view.steps = state.get("steps", [])
    names = [step["name"] for step in view.steps]
    if not view.killed and names and names[-1] == KILLED_STEP:
        view.finished = [step for step in view.steps if step["status"] == "resolved"]
        view.killed, view.killed_at = state["worker"], time.monotonic()
        kill(view.killed)
    elif view.killed and view.resumed_after is None and state["worker"] != view.killed:
        view.resumed_after = time.monotonic() - view.killed_at
    show(view)
    return state if state["done"] else None


def _repeated_steps(stack: Stack, view: CrashView, outcome: dict[str, Any]) -> list[str]:
    # A finished step that had run again would have another start or end in the store.
    repeated = [step["name"] for step in view.finished if step not in outcome["steps"]]
    starts = stack.step_starts(view.id)
    if starts is not None:
        repeated += [name for name in STEPS if starts[name] > (2 if name == KILLED_STEP else 1)]
    return repeated


def kill_the_gateway(api: Api, stack: Stack) -> Verdict:
    """Kill the gateway while an execution runs; after its restart it must know the execution."""
    verdict, id = Verdict(), new_id("gateway")
    api.begin(id, "checkout", {"pace": 0.5})
    wait_for(lambda: (api.state(id) or {}).get("steps"), 10)
    stack.kill("gateway")
    unanswered = api.state(id) is None
    began = time.monotonic()
    stack.revive("gateway")
    answered = wait_for(lambda: api.state(id), 30)
    away = time.monotonic() - began
    outcome = wait_for(lambda: (s := api.state(id)) and s["done"] and s, 30)
    verdict.facts = {
        "gateway away": f"{away:.2f} s",
        "result": str(outcome["status"]) if outcome else "none",
    }
    verdict.expect(unanswered, "the gateway did not die")
    verdict.expect(answered is not None, "the restarted gateway did not know the execution")
    resolved = bool(outcome) and outcome["status"] == "resolved"  # type: ignore[index]
    verdict.expect(resolved, "the execution did not resolve")
    return verdict


def begin_a_thousand_times(api: Api, stack: Stack) -> Verdict:
    """Begin one id from many clients at once; exactly one of them may create it."""
    verdict, id = Verdict(), new_id("same")

    def begin(_: int) -> tuple[int, bool]:
        try:
            answer = api.begin(id, "foo", {"the": "same"})
        except NotAnsweredError:
            return 0, False
        return answer.status, bool(answer.body.get("created"))

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(begin, range(BEGINS)))
    outcome = wait_for(lambda: (s := api.state(id)) and s["done"] and s, 30)
    created = sum(created for _, created in answers)
    statuses = Counter(status for status, _ in answers)
    starts = stack.step_starts(id)
    verdict.facts = {
        "answers": ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items())),
        "created": str(created),
    }
    verdict.expect(set(statuses) <= {200, 202}, "not all begins were accepted")
    verdict.expect(created == 1, f"{created} answers have created: true")
    verdict.expect(outcome is not None, "the execution did not end")
    if starts is not None:
        verdict.facts["executions"] = str(starts["foo"])
        verdict.expect(starts["foo"] == 1, f"the function ran {starts['foo']} times")
    return verdict
