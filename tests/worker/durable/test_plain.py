"""Plain functions, which run on the thread of their slot."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from durable_http import RetryPolicy
from durable_http.declarations.definition import define
from shared.resonate.codec import decode_rejection, decode_result
from tests.support.processes import wait_until
from tests.support.typed import Even  # noqa: TC001 - read at run time
from tests.support.worker.durable import FakeSdk, Work
from worker.durable.plain import run_plain
from worker.user_calls import UserCalls

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http import Step
    from worker.tasks.claim_handle import ClaimHandle

RETRY = RetryPolicy(max_attempts=3, initial_interval=0.01, max_interval=0.01)


@dataclass
class Ends:
    """Notes how executions end; `calls` are those of the function that is called afterwards."""

    resolved: list[Any] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def resolve(self, _: str, *, ikey: str, data: str) -> None:  # noqa: ARG002
        self.resolved.append(orjson.loads(decode_result(data)))

    def reject(self, _: str, *, ikey: str, data: str) -> None:  # noqa: ARG002
        self.rejected.append(decode_rejection(data).type)

    def run(self, handle: ClaimHandle, function: Callable[..., Any], value: object = None) -> bool:
        """Run a plain function as a slot does."""
        definition = define(function, name="plain", retry=RETRY)
        promises: Any = self
        text = orjson.dumps(value).decode()
        return run_plain(definition, text, handle, promises, lambda: self.calls.append("after"))


def plain(work: Work) -> Callable[..., Any]:
    """Return a plain function that does this work."""

    def function(step: Step, value: Any) -> Any:
        return work(step, value)

    return function


def test_its_result_is_the_executions() -> None:
    """A plain function gets its input, and ends its execution."""
    ends = Ends()

    assert ends.run(FakeSdk().handle, lambda _, value: {"got": value}, 7)

    assert (ends.resolved, ends.rejected, ends.calls) == ([{"got": 7}], [], [])


def test_it_is_retried() -> None:
    """Attempts follow each other as its policy says."""
    ends, work = Ends(), Work([ValueError("1"), KeyboardInterrupt()])

    ends.run(FakeSdk().handle, plain(work))

    assert (ends.resolved, len(work.seen)) == (["done"], 3)


def test_it_is_given_up() -> None:
    """After the last attempt the execution is rejected with its error."""
    ends, work = Ends(), Work([ValueError(str(number)) for number in range(9)])

    ends.run(FakeSdk().handle, plain(work))

    assert (ends.rejected, len(work.seen)) == (["ValueError"], 3)


def test_an_input_that_it_does_not_take() -> None:
    """The execution of an input that does not fit is rejected before anything runs."""
    ends, handle = Ends(), FakeSdk().handle
    handle.claim.execution = "job.1"

    def function(step: Step, value: int) -> int:
        raise AssertionError(step, value)

    ends.run(handle, function, "text")

    assert ends.resolved == []


def test_an_input_whose_type_ends_the_program() -> None:
    """The execution is rejected; the thread of the slot lives on."""
    ends = Ends()

    def function(step: Step, value: Even) -> int:
        raise AssertionError(step, value)

    assert ends.run(FakeSdk().handle, function, {"number": -2})

    assert ends.rejected == ["InvalidInput"]


@pytest.mark.parametrize("lost", ["before", "within"])
def test_a_lost_claim_ends_it(lost: str) -> None:
    """Nothing is stored, and there is no further attempt."""
    ends, sdk, work = Ends(), FakeSdk(), Work([ValueError("1")])
    sdk.claim.lost = "taken over" if lost == "before" else None

    def function(step: Step, value: Any) -> Any:
        sdk.claim.lost = "taken over"
        return work(step, value)

    assert ends.run(sdk.handle, function)

    assert (ends.resolved, ends.rejected) == ([], [])
    assert len(work.seen) == (lost == "within")


def test_an_attempt_that_does_not_end() -> None:
    """Another thread goes on in its place; what the attempt returns is thrown away."""
    ends, sdk, calls = Ends(), FakeSdk(), UserCalls(default_limit=0.05)
    handle = replace(sdk.handle, calls=calls)
    release, returned, numbers = threading.Event(), [], iter(range(9))

    def function(_: Step) -> int:
        number = next(numbers)
        if number == 0:
            release.wait(10)
        return number

    slot = threading.Thread(target=lambda: returned.append(ends.run(handle, function)))
    slot.start()
    try:

        def ended() -> bool:
            calls.end_overdue()
            return bool(ends.calls)

        wait_until(ended, seconds=5, what="the end of the execution")
        assert (ends.resolved, calls.left_behind()) == ([1], 1)
    finally:
        release.set()
        slot.join(5)
    assert (returned, ends.resolved, ends.calls) == ([False], [1], ["after"])
