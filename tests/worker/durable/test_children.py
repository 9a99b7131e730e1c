"""Child executions: how they are begun, and how their ends are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from resonate.errors import ResonateCanceledError, ResonateTimedoutError

from shared.resonate import tags as tag
from shared.resonate.codec import Failure, decode_call
from tests.support.durable import Engine

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow


@pytest.mark.parametrize(
    "value", [None, False, {"__error__": "x"}, {"py/object": "os.system"}, [2**64 - 1, -0.5], "é"]
)
def test_a_child_is_asked_and_answers_in_json(value: object) -> None:
    """A child is stored as the gateway stores an execution; its result arrives as it is."""

    def function(context: Context, given: Any) -> Workflow[Any]:
        child = yield context.begin("foo", given)
        return [(yield child), (yield context.call("checkout", given))]

    result = orjson.dumps(orjson.dumps(value).decode()).decode()
    engine = Engine({f"job.{n}": (True, result) for n in (1, 2)})

    assert engine.run(function, value) == [value, value]
    calls = [decode_call(child.opts.encoder.encode(child.conv.data)) for child in begun(engine)]
    assert [(call.function, orjson.loads(call.input_json)) for call in calls] == [
        ("foo", value),
        ("checkout", value),
    ]


def begun(engine: Engine) -> list[Any]:
    """Return what was begun, in order."""
    return list(engine.begun.values())


@pytest.mark.parametrize(
    ("stored", "failure"),
    [
        (Failure("Declined", "no", "ship", 3).rejection(), Failure("Declined", "no", "ship", 3)),
        ('"stopped by hand"', Failure("Error", "stopped by hand")),
    ],
)
def test_a_child_that_failed_is_a_failed_step(stored: str, failure: Failure) -> None:
    """The parent can catch it, and if it does not, has failed with the child's failure."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("foo"))

    assert Engine({"job.1": (False, stored)}).failure(function) == failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            ResonateTimedoutError("job.1", 0),
            Failure("TimedOut", "what was waited for did not come in time"),
        ),
        (
            ResonateCanceledError("job.1"),
            Failure("Canceled", "what was waited for was canceled"),
        ),
    ],
)
def test_a_child_that_did_not_end_is_a_failed_step(error: Exception, failure: Failure) -> None:
    """A child that took too long, or was canceled, is told apart by the type of the failure."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("foo"))

    assert Engine(interrupt=lambda _: error).failure(function) == failure


def test_a_child_is_marked() -> None:
    """A child carries its kind, its function, the root of the tree, the trace and who runs it."""
    engine = Engine({"job.1.2.1": (True, '"1"')})
    engine.claim.execution, engine.claim.trace_id = "job.1.2", "0af7"

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("foo", timeout=0))

    assert engine.run(function, id="job.1.2") == 1
    (child,) = begun(engine)
    assert child.conv.tags == {
        "resonate:root": "job.1.2",
        "resonate:parent": "job.1.2",
        "resonate:scope": "global",
        "resonate:invoke": "poll://any@workers",
        tag.KIND: tag.CHILD,
        tag.FUNCTION: "foo",
        tag.ROOT: "job",
        tag.TRACE: "0af7",
    }
    assert 0 < child.conv.timeout < 1


def test_a_child_of_no_function_is_a_mistake() -> None:
    """A name that the catalog does not have fails the parent, before anything is begun."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("nothing"))

    engine = Engine()
    failure = engine.failure(function)
    assert failure.type == "ValueError"
    assert failure.message.startswith("there is no function nothing; known are foo, ")
    assert engine.begun == {}
