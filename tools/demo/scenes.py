"""What is shown: each scene does something to the service and returns what it found."""

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

    from tools.api import Api
    from tools.stack import Stack

PACE: Final = 1.0
KILLED_AT: Final = "pack"
STEPS: Final = ("reserve", "charge", "pack", "ship", "notify")
MOST_SECONDS: Final = 4.0
"""The longest that the next step may take to start; the default lease is 2 s."""

SAME_ID: Final = 1000
CLIENTS: Final = 64


@dataclass
class Verdict:
    """What a scene found: facts to print, and what of it is wrong."""

    facts: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, fault: str) -> None:  # noqa: FBT001 - reads like an assertion
        if not holds:
            self.faults.append(fault)


@dataclass
class Moment:
    """What the audience sees of a running execution."""

    id: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    killed: str = ""
    killed_at: float = 0.0
    resumed_after: float | None = None


def new_id(name: str) -> str:
    """Return an id that no earlier demonstration has used."""
    return f"demo-{name}-{uuid.uuid4().hex[:8]}"


def kill_a_worker(api: Api, stack: Stack, show: Callable[[Moment], None]) -> Verdict:
    """Kill the worker that runs the third of five steps; another must go on with that step."""
    verdict, moment = Verdict(), Moment(new_id("checkout"))
    api.begin(moment.id, "checkout", {"pace": PACE})
    before: list[dict[str, Any]] = []

    def advance() -> dict[str, Any] | None:
        state = api.state(moment.id)
        if state is None:
            return None
        moment.steps = state.get("steps", [])
        names = [step["name"] for step in moment.steps]
        if not moment.killed and names and names[-1] == KILLED_AT:
            before[:] = [step for step in moment.steps if step["status"] == "resolved"]
            moment.killed, moment.killed_at = state["worker"], time.monotonic()
            stack.kill(moment.killed)
        elif moment.killed and moment.resumed_after is None and state["worker"] != moment.killed:
            moment.resumed_after = time.monotonic() - moment.killed_at
        show(moment)
        return state if state["done"] else None

    ended = wait_for(advance, 60)
    if moment.killed:
        stack.revive(moment.killed)
    verdict.expect(ended is not None, "the job did not end within 60 s")
    if ended is None or moment.resumed_after is None:
        verdict.expect(moment.resumed_after is not None, "no other worker took over")
        return verdict
    # A finished step that had run again would have another start or end in the store.
    repeated = [step["name"] for step in before if step not in ended["steps"]]
    starts = stack.step_starts(moment.id)
    if starts is not None:
        repeated += [name for name in STEPS if starts[name] > (2 if name == KILLED_AT else 1)]
    verdict.facts = {
        "time to resume": f"{moment.resumed_after:.2f} s",
        "finished steps repeated": str(len(repeated)),
        "interrupted step": f"{KILLED_AT}, begun by {moment.killed}, done by {ended['worker']}",
        "result": f"{ended['status']}, attempt {ended['attempt']}",
    }
    verdict.expect(not repeated, f"finished steps ran again: {', '.join(repeated)}")
    verdict.expect(
        moment.resumed_after < MOST_SECONDS, f"it took over {MOST_SECONDS:g} s to resume"
    )
    verdict.expect(ended["status"] == "resolved", f"the job ended {ended['status']}")
    verdict.expect(
        tuple(step["name"] for step in ended["steps"]) == STEPS, "the steps are not the five"
    )
    return verdict


def kill_the_gateway(api: Api, stack: Stack) -> Verdict:
    """Kill the gateway while a client asks for a job; it must answer for it when it is back."""
    verdict, id = Verdict(), new_id("gateway")
    api.begin(id, "checkout", {"pace": 0.5})
    wait_for(lambda: (api.state(id) or {}).get("steps"), 10)
    stack.kill("gateway")
    gone = api.state(id) is None
    began = time.monotonic()
    stack.revive("gateway")
    answered = wait_for(lambda: api.state(id), 30)
    away = time.monotonic() - began
    ended = wait_for(lambda: (s := api.state(id)) and s["done"] and s, 30)
    verdict.facts = {
        "gateway away": f"{away:.2f} s",
        "result": str(ended["status"]) if ended else "none",
    }
    verdict.expect(gone, "the gateway did not die")
    verdict.expect(answered is not None, "the id was not answered for after the restart")
    verdict.expect(bool(ended) and ended["status"] == "resolved", "the job did not resolve")  # type: ignore[index]
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
        answers = list(pool.map(begin, range(SAME_ID)))
    ended = wait_for(lambda: (s := api.state(id)) and s["done"] and s, 30)
    created = sum(created for _, created in answers)
    statuses = Counter(status for status, _ in answers)
    starts = stack.step_starts(id)
    verdict.facts = {
        "answers": ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items())),
        "created": str(created),
    }
    verdict.expect(set(statuses) <= {200, 202}, "not all begins were accepted")
    verdict.expect(created == 1, f"{created} of them say that they created it")
    verdict.expect(ended is not None, "it did not end")
    if starts is not None:
        verdict.facts["executions"] = str(starts["foo"])
        verdict.expect(starts["foo"] == 1, f"it ran {starts['foo']} times")
    return verdict
