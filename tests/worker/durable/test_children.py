"""Child executions: how they are begun, and how their outcomes are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from resonate.errors import ResonateCanceledError, ResonateTimedoutError

from shared.resonate import tags as tag
from shared.resonate.causes import Cause
from shared.resonate.codec import Failure, decode_call
from tests.support.worker.durable import FakeSdk

if TYPE_CHECKING:
    from durable_http import Context, Workflow


@pytest.mark.parametrize(
    "value", [None, False, {"__error__": "x"}, {"py/object": "os.system"}, [2**64 - 1, -0.5], "é"]
)
def test_a_child_is_called_and_returns_in_json(value: object) -> None:
    """A child is stored like an execution of a client, and its result arrives unchanged."""

    def function(context: Context, value: Any) -> Workflow[Any]:
        child = yield context.begin("alpha", value)
        return [(yield child), (yield context.call("beta", value))]

    result = orjson.dumps(orjson.dumps(value).decode()).decode()
    sdk = FakeSdk({f"job.{n}": (True, result) for n in (1, 2)})

    assert sdk.run(function, value) == [value, value]
    calls = [decode_call(child.opts.encoder.encode(child.conv.data)) for child in begun(sdk)]
    assert [(call.function, call.version, orjson.loads(call.input_json)) for call in calls] == [
        ("alpha", 1, value),
        ("beta", 2, value),
    ]


def begun(sdk: FakeSdk) -> list[Any]:
    """Return the commands that were begun, in order."""
    return list(sdk.begun.values())


@pytest.mark.parametrize(
    ("stored", "failure"),
    [
        (Failure("Declined", "no", "ship", 3).rejection(), Failure("Declined", "no", "ship", 3)),
        ('"stopped by hand"', Failure("Error", "stopped by hand")),
    ],
)
def test_a_child_that_failed_is_a_failed_step(stored: str, failure: Failure) -> None:
    """A parent that does not catch a child's failure fails with the same failure."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("alpha"))

    assert FakeSdk({"job.1": (False, stored)}).failure(function) == failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            ResonateTimedoutError("job.1", 0),
            Failure("TimedOut", "the signal or the child did not come in time"),
        ),
        (
            ResonateCanceledError("job.1"),
            Failure("Canceled", "the child was canceled"),
        ),
    ],
)
def test_a_child_that_did_not_end_is_a_failed_step(error: Exception, failure: Failure) -> None:
    """The type of the failure shows whether a child took too long or was canceled."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("alpha"))

    assert FakeSdk(interrupt=lambda _: error).failure(function) == failure


def test_a_child_has_tags() -> None:
    """A child's tags are its kind, function, version, root, trace and the group that runs it."""
    sdk = FakeSdk({"job.1.2.1": (True, '"1"')})
    sdk.claim.execution = "job.1.2"
    sdk.claim.cause = Cause("request-1", "0af7", "b7ad-01", "a=b")

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("alpha", timeout=0))

    assert sdk.run(function, id="job.1.2") == 1
    (child,) = begun(sdk)
    assert child.conv.tags == {
        "resonate:root": "job.1.2",
        "resonate:parent": "job.1.2",
        "resonate:scope": "global",
        "resonate:invoke": "poll://any@workers",
        tag.KIND: tag.CHILD,
        tag.FUNCTION: "alpha",
        tag.VERSION: "1",
        tag.ROOT: "job",
        tag.TRACE: "0af7",
        tag.ORIGIN: "b7ad-01",
        tag.TRACE_STATE: "a=b",
    }
    assert 0 < child.conv.timeout < 1


def test_a_child_of_an_unknown_function_fails() -> None:
    """A function that no module of the worker declares fails the parent, and nothing is begun."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("nothing"))

    sdk = FakeSdk()
    failure = sdk.failure(function)
    assert failure.type == "ValueError"
    assert failure.message == "there is no function nothing; known are alpha, beta"
    assert sdk.begun == {}


@pytest.mark.parametrize(
    ("value", "type"), [("x" * 2_000_000, "ResultTooLarge"), ([math.nan], "NotJson")]
)
def test_a_child_is_not_begun_with_what_cannot_be_stored(value: object, type: str) -> None:
    """A child's input has the limits of results, and the failure names the child's function."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("alpha", value))

    sdk = FakeSdk()
    failure = sdk.failure(function)

    assert (failure.type, sdk.begun) == (type, {})
    assert failure.message.startswith("the input of alpha ")
