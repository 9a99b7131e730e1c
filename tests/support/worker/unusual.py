"""Durable functions of unusual size or shape."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

from durable_http import Context, NonRetryableError, RetryPolicy, Step, StepFailed, Workflow
from tests.support.worker.program import declare

QUICK: Final = RetryPolicy(max_attempts=2, initial_interval=0.01, max_interval=0.01)


def nothing(_: Step) -> None:
    """Do nothing."""


def sleeps(context: Context, seconds: float) -> Workflow[str]:
    """Run two steps of this many seconds each; return which process ran the second."""

    def pause(_: Step) -> int:
        time.sleep(seconds)
        return os.getpid()

    yield context.step(pause, name="first")
    last = yield context.step(pause, name="second")
    return f"done by {last}"


def parent(context: Context, children: list[list[Any]]) -> Workflow[list[Any]]:
    """Call each function with its input, one after the other; return each result or failure."""
    outcomes: list[Any] = []
    for function, value, *timeout in children:
        try:
            result = yield context.call(function, value, timeout=timeout[0] if timeout else None)
        except StepFailed as error:
            outcomes.append([error.type, error.message])
        else:
            outcomes.append(result)
    return outcomes


def forest(context: Context, wanted: dict[str, Any]) -> Workflow[int]:
    """Begin several fanouts at once; return the number of parts that were done in all."""
    done, fanouts = 0, []
    for _ in range(wanted["fanouts"]):
        fanout = yield context.begin("fanout", wanted["each"])
        fanouts.append(fanout)
    for fanout in fanouts:
        done += len((yield fanout)["parts"])
    return done


def beside(context: Context, pace: float) -> Workflow[list[Any]]:
    """Run two steps and a child at the same time, then one more step; return their outcomes."""

    def work(step: Step, fail: bool) -> list[Any]:  # noqa: FBT001 - what a step is called with
        began = time.monotonic()
        time.sleep(pace)
        if fail:
            raise NonRetryableError("no")
        return [began, time.monotonic()]

    left = yield context.begin_step(work, False, name="left")  # noqa: FBT003 - as above
    right = yield context.begin_step(work, True, name="right")  # noqa: FBT003 - as above
    child = yield context.begin("part", {"number": 1, "pace": pace})
    yield context.progress(0, 3)
    part = yield child
    try:
        failure = yield right
    except StepFailed as error:
        failure = error.step
    times = yield left
    yield context.step(nothing, name="after")
    return [times, failure, part["number"]]


def careless(context: Context, well: bool) -> Workflow[str]:  # noqa: FBT001 - its input
    """Begin two children and a step, and wait for none; one child fails."""

    def work(_: Step) -> None:
        time.sleep(0.5)

    yield context.begin("part", {"pace": 0.7})
    yield context.begin("checkout", {"pace": 0, "fail": "reserve"})
    yield context.begin_step(work)
    if not well:
        raise RuntimeError("careless")
    return "done"


def large_steps(context: Context, count: int) -> Workflow[None]:
    """Run steps of almost 1 MiB each, and then one that takes a while."""
    for _ in range(count):
        yield context.step(bulky, 1000)
    yield context.step(lambda _: time.sleep(3), name="rest")


def many_steps(context: Context, count: int) -> Workflow[None]:
    """Run this many steps."""
    for _ in range(count):
        yield context.step(nothing)


def descends(context: Context, depth: int) -> Workflow[int]:
    """Call itself as a child, this many levels deep; return the depth."""
    if depth == 0:
        return 0
    below: int = yield context.call("descends", depth - 1)
    return below + 1


def flaky(context: Context, wanted: dict[str, Any]) -> Workflow[Any]:
    """Run a step that `fails` so many times, each after `before` s, with a `pause` after each.

    The try that succeeds `takes` a time.
    """
    fails, pause = int(wanted["fails"]), float(wanted["pause"])

    def work(step: Step) -> int:
        if step.attempt <= fails:
            time.sleep(wanted.get("before", 0))
            raise ConnectionError(f"no connection at try {step.attempt}")
        time.sleep(wanted.get("takes", 0))
        return step.attempt

    retry = RetryPolicy(wanted.get("attempts", fails + 1), pause, pause)
    return (yield context.step(work, name="connect", retry=retry))


def bulky(_: Step, kibibytes: int) -> str:
    """Return this many KiB."""
    return "x" * (kibibytes * 1024)


def bulky_later(_: Step, kibibytes: int) -> str:
    """Return this many KiB when its start is stored."""
    time.sleep(0.3)
    return "x" * (kibibytes * 1024)


def builds(_: Step, kibibytes: int) -> int:
    """Build this many KiB and return only how many bytes they are."""
    return len("x" * (kibibytes * 1024))


def bulky_body(context: Context, kibibytes: int) -> Workflow[str]:
    """Return this many KiB after a step."""
    yield context.step(nothing, retry=QUICK)
    return "x" * (kibibytes * 1024)


def bulky_parent(context: Context, kibibytes: int) -> Workflow[Any]:
    """Call a child with this many KiB."""
    return (yield context.call("part", {"pad": "x" * (kibibytes * 1024)}))


def long_names(context: Context, _: Any) -> Workflow[Any]:
    """Raise an error whose class has a name of 10 MB."""
    yield context.step(nothing, retry=QUICK)
    raise type("E" * 10_000_000, (Exception,), {})


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        sleeps,
        parent,
        forest,
        beside,
        careless,
        flaky,
        bulky,
        bulky_later,
        builds,
        bulky_body,
        bulky_parent,
        long_names,
        large_steps,
        many_steps,
        descends,
    )
}

declare(FUNCTIONS)
