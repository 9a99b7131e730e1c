"""`crash_everywhere`: functions that survive the death of their worker, and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from durable_http import StepFailed, function
from durable_http.testing import CrashFailure, Ledger, NonDeterministic, after, crash_everywhere

if TYPE_CHECKING:
    from durable_http import Context, Step, Workflow
    from durable_http.testing import Outcome

ledger = Ledger()
memory: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_happened() -> None:
    ledger.clear()
    memory.clear()


def charge(step: Step, total: int) -> str:
    """Charge once per key."""
    ledger.record(step, total)
    return f"receipt {step.idempotency_key}"


def careless(step: Step, total: int) -> str:
    """Charge without a key."""
    memory.append("charged")
    return f"receipt {len(memory)}"


@function
def shop(context: Context, total: int) -> Workflow[Any]:
    """Charge a deposit and the rest, with a wait and a child between."""
    deposit = yield context.step(charge, 1, name="deposit")
    beside = yield context.begin_step(charge, 2, name="beside")
    packed = yield context.call(pack, total)
    yield context.signal("approval", timeout=100)
    yield context.sleep(10)
    rest = yield context.step(charge, total - 1, name="rest")
    return [deposit, (yield beside), packed, rest]


@function
def pack(context: Context, total: int) -> Workflow[Any]:
    """Pack, which takes some time."""
    yield context.sleep(5)
    return (yield context.step(charge, total, name="pack"))


def check_effects(outcome: Outcome) -> None:
    """Each charge has been made once."""
    assert sorted(ledger.effects) == [1, 2, 4, 5]
    assert outcome.status == "resolved"


def test_a_robust_function_survives_everything() -> None:
    """Wherever the worker dies, the result is the same and each effect happens once."""
    report = crash_everywhere(
        shop,
        5,
        setup=ledger.clear,
        check=check_effects,
        signals={"approval": [after(20, value=True)]},
        fail={"rest": [ValueError()]},
    )

    assert report.outcome.result == [
        f"receipt {key}" for key in ("test-1.1", "test-1.2", "test-1.3.2", "test-1.6")
    ]
    for moment in (
        "right before step deposit (part 1) of test-1",
        "while step deposit (part 1) of test-1 ran, attempt 1",
        "after the outcome of step deposit (part 1) of test-1 was stored",
        "while step beside (part 2) of test-1 ran, attempt 1",
        "after child pack (part 3) of test-1 was stored",
        "while step pack (part 2) of test-1.3 ran, attempt 1",
        "right before the end of test-1.3 was stored",
        "while step rest (part 6) of test-1 ran, attempt 2",
        "right before the end of test-1 was stored",
    ):
        assert moment in report.moments
    assert len(set(report.moments)) == len(report.moments)


def test_effects_without_a_key_are_found() -> None:
    """A step that has its effect twice is found by the check of its fake's effects."""

    @function
    def carefree(context: Context) -> Workflow[None]:
        yield context.step(careless, 1)

    def once(outcome: Outcome) -> None:
        assert len(memory) == 1

    with pytest.raises(CrashFailure) as caught:
        crash_everywhere(
            carefree, setup=memory.clear, check=once, steps={careless: lambda *_: memory.append("")}
        )

    message = str(caught.value)
    assert message.startswith(
        "the worker died while step careless (part 1) of test-1 ran, attempt 1: assert"
    )


def test_another_result_is_found() -> None:
    """A result that depends on how often a step ran differs after a crash."""

    @function
    def counting(context: Context) -> Workflow[Any]:
        return (yield context.step(careless, 1))

    with pytest.raises(CrashFailure) as caught:
        crash_everywhere(counting, setup=memory.clear)

    assert str(caught.value) == (
        "the worker died while step careless (part 1) of test-1 ran, attempt 1: "
        "it ended with 'receipt 2', without a crash with 'receipt 1'"
    )


def test_what_a_process_remembers_is_found() -> None:
    """A body whose way depends on the memory of the process takes another way after a crash."""

    @function
    def remembering(context: Context) -> Workflow[None]:
        yield context.step(charge, 1, name="a")
        if "a" in memory:
            yield context.step(charge, 3, name="c")
        else:
            yield context.step(remember, name="b")

    def remember(step: Step) -> None:
        memory.append("a")

    with pytest.raises(NonDeterministic, match="expected step b, found step c at part 2"):
        crash_everywhere(remembering, setup=memory.clear)


def test_steps_that_run_only_after_a_crash_are_found() -> None:
    """A compensation that only a crash brings about is named."""

    @function
    def compensating(context: Context) -> Workflow[str]:
        try:
            yield context.step(fragile)
        except StepFailed:
            yield context.step(charge, -1, name="refund")
        return "done"

    def fragile(step: Step) -> None:
        memory.append("x")
        if len(memory) % 7:
            raise ValueError("half done")

    memory.append("x")
    with pytest.raises(CrashFailure, match=r"it ran refund\(-1,\) with the key test-1.2, which"):
        crash_everywhere(compensating, setup=lambda: memory.__setitem__(slice(None), ["x"] * 2))


def test_a_failing_function_fails_the_same_way() -> None:
    """The end that is compared may be a failure."""

    @function
    def refusing(context: Context) -> Workflow[None]:
        yield context.step(charge, 1)
        raise KeyError("refused")

    report = crash_everywhere(refusing)

    assert isinstance(report.outcome.error, KeyError)
    assert len(report.moments) == 4


def test_planned_failures_are_the_same_after_a_crash() -> None:
    """A lost attempt does not use up a failure that the test has planned."""

    @function
    def flaky(context: Context) -> Workflow[int]:
        try:
            yield context.step(charge, 1)
        except StepFailed as error:
            return error.attempts or 0
        return 0

    report = crash_everywhere(flaky, setup=ledger.clear, fail={charge: [ValueError()] * 5})

    assert report.outcome.result == 5
    assert sum("ran, attempt" in moment for moment in report.moments) == 5


def test_finally_runs_where_a_worker_dies() -> None:
    """A `finally` block may run more than once; a function that minds is found by its check."""

    @function
    def minding(context: Context) -> Workflow[None]:
        try:
            yield context.step(charge, 1)
        finally:
            memory.append("closed")

    counts: list[int] = []
    crash_everywhere(minding, setup=memory.clear, check=lambda _: counts.append(len(memory)))

    assert counts[0] == 2  # at the end, and when the function ran once more
    assert set(counts[1:]) == {3}
