"""The executions that clients begin: of each function that ships, with what must come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

STEPS = ("reserve", "charge", "pack", "ship", "notify")


@dataclass(frozen=True)
class Job:
    """An execution; `own` are the seconds that it takes, `expected` is what its result must have.

    `signal` is a value that it waits for, which is sent `after` so many seconds.
    """

    id: str
    function: str
    input: Any
    own: float
    expected: Any
    signal: Any = None
    after: float = 0.0


def job(id: str, chance: Random) -> Job:
    """Make a job of any kind."""
    kinds = (foo, checkout, countdown, approval, fanout)
    (kind,) = chance.choices(kinds, (4, 4, 2, 2, 1))
    return kind(id, chance)


def foo(id: str, chance: Random) -> Job:
    """Make the smallest job, a step."""
    given = {"number": chance.randint(1, 99)}
    return Job(id, "foo", given, 0.0, {"result": f"Processed: {json.dumps(given)}"})


def checkout(id: str, chance: Random) -> Job:
    """Make an order; one in eight takes long, so that faults meet each of its steps."""
    pace = chance.choice((0.05, 0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 3.0))
    receipts = {name: f"{name}-{id}.{number}" for number, name in enumerate(STEPS, 1)}
    expected = {"order": id, "receipts": receipts}
    return Job(id, "checkout", {"pace": pace}, len(STEPS) * pace, expected)


def countdown(id: str, chance: Random) -> Job:
    """Make a job that sleeps between its steps."""
    count, every = chance.randint(2, 6), chance.choice((0.5, 1.0, 3.0))
    return Job(id, "countdown", {"from": count, "every": every}, count * every, "liftoff")


def approval(id: str, chance: Random) -> Job:
    """Make a question whose answer comes before it waits, or up to ten seconds later."""
    after, answer = chance.choice((0.0, 1.0, 3.0, 10.0)), {"number": chance.randint(1, 99)}
    given = {"question": "May we?", "within": "1h"}
    expected = {"answered": True, "answer": answer}
    return Job(id, "approval", given, after, expected, answer, after)


def fanout(id: str, chance: Random) -> Job:
    """Make a job with children, one for each part."""
    parts, pace = chance.randint(2, 5), chance.choice((0.1, 0.3, 0.5))
    expected = {"parts": [{"number": number} for number in range(1, parts + 1)]}
    return Job(id, "fanout", {"parts": parts, "pace": pace}, parts * pace, expected)


def name_steps(body: dict[str, Any]) -> None:
    """Give the steps of an answer the names by which workers' logs tell them apart.

    Of a countdown that is the number that is said, of a fanout the child that runs the part.
    """
    steps = body.get("steps", [])
    for place, step in enumerate(sorted(steps, key=lambda step: str(step["started"]))):
        if step["name"] == "say":
            step["name"] = f"say {body['input']['from'] - place}"
        elif step["name"] == "part" and body["function"] == "fanout":
            step["execution"] = f"{body['promise_id']}.{place + 1}"


def logged_step(entry: dict[str, Any]) -> str | None:
    """Return the step that an entry of a worker's log says was started, None if it says no such."""
    match entry:
        case {"event": "step started", "step": str(step)} if step != "say":
            return step
        case {"event": "counting", "number": number}:
            return f"say {number}"
        case _:
            return None
