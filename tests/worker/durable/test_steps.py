"""Steps: attempts, results as JSON, failures as data."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import RetryPolicy, StepTimeout
from shared.resonate.codec import Failure
from tests.support.worker.durable import AT_ONCE, FakeSdk, Work, one_step
from worker.errors import Fenced

if TYPE_CHECKING:
    from durable_http import Context, Step, Workflow
    from worker.tasks.claim_handle import NoRecord


def test_a_step_gets_its_own_data() -> None:
    """A step gets its execution, its name, its attempt and a key that all attempts share."""
    work = Work([ValueError("1"), ValueError("2")])
    sdk = FakeSdk()

    sdk.run(one_step(work, retry=AT_ONCE))

    (key,) = {step.idempotency_key for step in work.seen}
    assert [(step.execution, step.name, step.attempt) for step in work.seen] == [
        ("job", "work", attempt) for attempt in (1, 2, 3)
    ]
    assert list(sdk.stored) == [key]


def test_a_step_may_succeed_at_a_later_attempt() -> None:
    """Failed attempts before a successful one cost only their pauses."""
    work = Work([ValueError("1"), OSError("2")], result={"a": 1})
    sdk = FakeSdk()

    result = sdk.run(
        one_step(work, retry=RetryPolicy(max_attempts=3, initial_interval=0.1, max_interval=0.1))
    )

    assert result == {"a": 1}
    assert len(sdk.pauses) == 2
    assert all(0.05 <= pause <= 0.1 for pause in sdk.pauses)


def test_a_step_is_given_up() -> None:
    """The failure of a step names the step, its last error and the number of attempts."""
    work = Work([ValueError("1"), OSError("2"), KeyError("3"), ValueError("never raised")])

    failure = FakeSdk().failure(one_step(work, retry=AT_ONCE))

    assert failure == Failure("KeyError", "'3'", "work", 3)
    assert len(work.seen) == 3


def test_a_step_has_five_attempts_by_default() -> None:
    """By default a step has five attempts, with growing pauses."""
    work = Work([ValueError(str(number)) for number in range(9)])
    sdk = FakeSdk()

    failure = sdk.failure(one_step(work))

    assert failure == Failure("ValueError", "4", "work", 5)
    for pause, longest in zip(sdk.pauses, (0.2, 0.4, 0.8, 1.6), strict=True):
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize("result", [object(), {1, 2}, {1: 2}, 2**64, b"x", "\ud800", math.nan])
def test_a_result_that_is_no_json_fails_the_step(result: object) -> None:
    """A result that cannot be stored fails the step at once, without a retry."""
    work = Work(result=result)

    failure = FakeSdk().failure(one_step(work, retry=AT_ONCE))

    assert (failure.step, failure.attempts, len(work.seen)) == ("work", 1, 1)


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (None, None),
        (False, False),
        ((1, 2), [1, 2]),
        (2**64 - 1, 2**64 - 1),
        ({"type": "E", "message": "m"}, {"type": "E", "message": "m"}),
        ({"__error__": "x"}, {"__error__": "x"}),
        ({"py/object": "os.system"}, {"py/object": "os.system"}),
        ("é😀", "é😀"),
    ],
)
def test_a_result_is_json_and_nothing_else(result: object, sent: object) -> None:
    """A result arrives as JSON, and no value is mistaken for a failure or an object."""
    assert FakeSdk().run(one_step(Work(result=result))) == sent


def test_a_timeout_is_a_failed_attempt() -> None:
    """An attempt that exceeds its timeout has failed, and the next one may succeed."""
    attempts: list[int] = []
    second = threading.Event()

    def slow_once(step: Step) -> int:
        attempts.append(step.attempt)
        if step.attempt == 1:
            assert second.wait(10)
        second.set()
        return step.attempt

    def function(context: Context, _: Any) -> Workflow[int]:
        result: int = yield context.step(slow_once, timeout=0.1, retry=AT_ONCE)
        return result

    assert FakeSdk().run(function) == 2
    assert attempts == [1, 2]


def test_a_step_that_is_always_late_fails() -> None:
    """When every attempt takes too long, the failure says so."""
    work = Work([StepTimeout("not done within 1 s")] * 3)

    assert FakeSdk().failure(one_step(work, retry=AT_ONCE)) == Failure(
        "StepTimeout", "not done within 1 s", "work", 3
    )


def test_a_step_of_a_lost_claim_is_not_started() -> None:
    """Without a valid lease a step does not run, is not retried and stores nothing."""
    work = Work()
    sdk = FakeSdk(lease_seconds=0)

    with pytest.raises(Fenced):
        sdk.run(one_step(work, retry=AT_ONCE))

    assert (work.seen, sdk.stored, sdk.pauses) == ([], {}, [])
    assert sdk.claim.lost == "the lease ran out"


class FrozenSdk(FakeSdk):
    """Its process is frozen for two minutes while the start of a step is stored."""

    def begin(self, id: str, name: str, *, whole: bool) -> tuple[NoRecord, None]:
        """Note the name of a step, and let the time pass."""
        self.claim.taken_at -= 120
        return super().begin(id, name, whole=whole)


def test_a_lease_that_ends_while_the_start_is_stored() -> None:
    """A step does not run: another worker may have run it meanwhile."""
    work = Work()
    sdk = FrozenSdk()

    with pytest.raises(Fenced):
        sdk.run(one_step(work))

    assert (sdk.names, work.seen, sdk.stored) == (["work"], [], {})


def test_a_claim_lost_between_two_attempts_ends_the_step() -> None:
    """A failed step is not retried once the claim is lost."""
    sdk = FakeSdk()
    attempts: list[int] = []

    def losing(step: Step) -> None:
        attempts.append(step.attempt)
        sdk.claim.lost = "fenced off"
        raise ValueError("try again")

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(losing, retry=AT_ONCE)

    with pytest.raises(Fenced):
        sdk.run(function)

    assert (attempts, sdk.stored) == ([1], {})


def test_only_a_timeout_costs_a_thread() -> None:
    """Only with a timeout does a step's function run in a thread of its own."""

    def where(_: Step) -> str:
        return threading.current_thread().name

    def function(context: Context, _: Any) -> Workflow[list[str]]:
        plain = yield context.step(where)
        endless = yield context.step(where, timeout=math.inf)
        limited = yield context.step(where, timeout=5.0)
        return [plain, endless, limited]

    here = threading.current_thread().name
    assert FakeSdk().run(function) == [here, here, "step"]


@pytest.mark.parametrize("timeout", [math.nan, -1.0])
def test_a_timeout_is_no_nonsense(timeout: float) -> None:
    """A timeout that no clock can reach is refused in the body."""
    failure = FakeSdk().failure(one_step(Work(), timeout=timeout))

    assert failure.type == "ValueError"


def test_a_step_can_ask_whether_it_is_canceled() -> None:
    """`step.canceled()` is True once the claim is over."""
    sdk = FakeSdk()
    seen = []

    def work(step: Step) -> None:
        seen.append(step.canceled())
        sdk.claim.lost = "canceled"
        seen.append(step.canceled())

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(work)

    sdk.run(function)

    assert seen == [False, True]
