"""A deploy: a later version of a function goes on with the history of an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from durable_http import StepFailed, function
from durable_http.testing import History, NonDeterministic, Unfinished, after, run

if TYPE_CHECKING:
    from durable_http import Context, Step, Workflow

ran: list[str] = []


@pytest.fixture(autouse=True)
def _none_ran() -> None:
    ran.clear()


def quote(step: Step, total: int) -> int:
    """Return the total."""
    ran.append("quote")
    return total


def reserve(step: Step) -> str:
    """Reserve the goods."""
    ran.append("reserve")
    return "reserved"


def charge(step: Step, total: int) -> str:
    """Charge the total."""
    ran.append("charge")
    return f"charged {total}"


@function(name="order")
def order_v1(context: Context, total: int) -> Workflow[Any]:
    """Charge what was quoted, once it is approved."""
    quoted = yield context.step(quote, total)
    approved = yield context.signal("approval", timeout=100)
    yield context.sleep(50)
    return [(yield context.step(charge, quoted)), approved]


@function(name="order", version=2)
def order_v2(context: Context, total: int) -> Workflow[Any]:
    """Reserve before charging; executions that had begun go on as they were."""
    quoted = yield context.step(quote, total)
    if (yield context.changed("reserve-first")):
        yield context.step(reserve)
    approved = yield context.signal("approval", timeout=100)
    yield context.sleep(50)
    return [(yield context.step(charge, quoted)), approved, "new"]


@function(name="order", version=3)
def order_v3(context: Context, total: int) -> Workflow[Any]:
    """Reserve before charging, without a thought of executions that had begun."""
    quoted = yield context.step(quote, total)
    yield context.step(reserve)
    yield context.signal("approval", timeout=100)
    return [(yield context.step(charge, quoted))]


@function(name="order", version=4)
def order_v4(context: Context, total: int) -> Workflow[Any]:
    """End before what had been waited for."""
    return (yield context.step(quote, total))


def test_a_run_stops_where_a_test_says() -> None:
    """A run stops once a part has begun, by its name or its number."""
    outcome = run(order_v1, 5, stop_at="signal approval")

    assert outcome.status == "stopped"
    assert outcome.history.parts == ("step quote", "signal approval")
    with pytest.raises(Unfinished, match=r"test-1 was stopped at signal approval \(part 2\)"):
        _ = outcome.result
    assert run(order_v1, 5, stop_at=1).history.parts == ("step quote",)
    assert run(order_v2, 5, stop_at="change reserve-first").history.parts[1:] == (
        "change reserve-first",
    )
    with pytest.raises(ValueError, match="test-1 ended without a part sleep 2"):
        run(order_v1, 5, signals={"approval": [1]}, stop_at="sleep 2")


def test_the_same_function_goes_on() -> None:
    """An execution goes on where it was, with its time, and runs no finished step again."""
    old = run(order_v1, 5, stop_at="signal approval", id="job")
    outcome = run(order_v1, history=old.history, signals={"approval": [after(30, value=True)]})

    assert (outcome.id, outcome.result) == ("job", ["charged 5", True])
    assert ran == ["quote", "charge"]
    assert outcome.clock == 80
    assert run(order_v1, history=old.history, signals={"approval": [1]}).result[1] == 1


def test_a_wait_goes_on_with_the_time_that_is_left() -> None:
    """A sleep and a wait end when they would have ended."""
    old = run(order_v1, 5, signals={"approval": [after(40, value=True)]}, stop_at="sleep")
    outcome = run(order_v1, history=old.history)

    assert outcome.clock == 90


def test_changed_is_false_for_old_executions() -> None:
    """An execution that had passed the line keeps the old code, a new one has the new code."""
    old = run(order_v1, 5, stop_at="signal approval")
    outcome = run(order_v2, history=old.history, signals={"approval": [True]})

    assert outcome.result == ["charged 5", True, "new"]
    assert ran == ["quote", "charge"]
    assert outcome.history.parts == ("step quote", "signal approval", "sleep", "step charge")

    ran.clear()
    outcome = run(order_v2, 5, signals={"approval": [True]})
    assert ran == ["quote", "reserve", "charge"]
    assert outcome.history.parts[1] == "change reserve-first"


def test_changed_is_true_for_executions_that_had_not_come_so_far() -> None:
    """An execution that had not passed the line runs the new code."""
    old = run(order_v1, 5, stop_at="step quote")
    run(order_v2, history=old.history, signals={"approval": [True]})

    assert ran == ["quote", "reserve", "charge"]


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (order_v3, "expected signal approval, found step reserve at part 2 of test-1"),
        (order_v4, "expected signal approval, found the end at part 2 of test-1"),
    ],
)
def test_a_deploy_that_would_block_is_found(later: Any, message: str) -> None:
    """A version that asks for something else fails the test with what a worker would say."""
    old = run(order_v1, 5, stop_at="signal approval")

    with pytest.raises(NonDeterministic, match=message):
        run(later, history=old.history, signals={"approval": [True]})


def test_why_a_body_ended_early_is_shown() -> None:
    """A version that raises where the earlier one had gone on shows its error as the cause."""

    @function(name="order", version=5)
    def order_v5(context: Context, total: int) -> Workflow[Any]:
        quoted = yield context.step(quote, total)
        raise KeyError(quoted)

    old = run(order_v1, 5, stop_at="signal approval")

    with pytest.raises(NonDeterministic, match="found the end") as caught:
        run(order_v5, history=old.history)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_finished_history_is_replayed() -> None:
    """The history of an execution that has ended shows as well whether a version fits."""
    old = run(order_v1, 5, signals={"approval": [True]})
    ran.clear()

    assert run(order_v2, history=old.history).result == ["charged 5", True, "new"]
    assert ran == []
    with pytest.raises(NonDeterministic, match="expected signal approval, found step reserve"):
        run(order_v3, history=old.history)


@function
def parting(context: Context) -> Workflow[Any]:
    """Wait for a child that waits, and for two signals meanwhile."""
    child = yield context.begin(waiting)
    yield context.signal("first", timeout=100)
    yield context.signal("go", timeout=100)
    return (yield child)


@function
def waiting(context: Context) -> Workflow[Any]:
    """Run a step after a while."""
    yield context.step(reserve)
    yield context.sleep(60)
    return (yield context.step(charge, 1))


def test_children_go_on_too() -> None:
    """A child that had begun goes on where it was, with the time that is left."""
    old = run(parting, stop_at="signal go", signals={"first": [after(10, 1)]})
    assert ran == ["reserve"]
    assert [child.status for child in old.children] == ["stopped"]

    outcome = run(parting, history=old.history, signals={"go": [after(15, 1)]})
    again = run(parting, history=outcome.history)

    assert outcome.result == again.result == "charged 1"
    assert outcome.clock == 60
    assert ran == ["reserve", "charge"]


def test_signals_come_after_the_deploy() -> None:
    """The times of signals count from the begin of the run."""
    old = run(parting, stop_at="signal go", signals={"first": [after(10, 1)]})

    assert run(parting, history=old.history, signals={"go": [after(70, 1)]}).clock == 80


def test_a_child_that_had_not_begun_begins() -> None:
    """A child of which only the part was stored runs once."""
    old = run(parting, stop_at="child waiting")
    assert ran == []

    run(parting, history=old.history, signals={"first": [1], "go": [1]})
    assert ran == ["reserve", "charge"]


def test_a_history_can_be_kept_as_text() -> None:
    """A history that was written by an earlier version is read and gone on with."""
    old = run(parting, stop_at="signal go", signals={"first": [{"n": [1]}, after(10, 2)]})
    text = old.history.to_json()
    read = History.from_json(text)

    assert read.parts == old.history.parts == ("child waiting", "signal first", "signal go")
    assert read.to_json() == text
    outcome = run(parting, history=read, signals={"go": [after(15, 1)]})
    assert outcome.result == "charged 1"
    assert ran == ["reserve", "charge"]
    ended = History.from_json(outcome.history.to_json())
    assert run(parting, history=ended).result == "charged 1"
    assert ended.to_json() == outcome.history.to_json()


def test_a_kept_failure_is_the_same() -> None:
    """A step that had failed has failed for the later version too."""
    old = run(parting, signals={"first": [1], "go": [1]}, steps={charge: KeyError("no")})
    read = History.from_json(old.history.to_json())
    again = run(parting, history=read)

    assert isinstance(again.error, StepFailed)
    assert (again.error.type, again.error.step, again.error.attempts) == ("KeyError", "charge", 5)
    assert [child.status for child in again.children] == ["rejected"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "now": 1}'])
def test_what_is_no_history_is_refused(text: str) -> None:
    """Text that `to_json` has not written is an error that says so."""
    with pytest.raises(ValueError, match="this is no history: "):
        History.from_json(text)


def test_a_history_has_its_input() -> None:
    """A run with a history takes neither an input nor an id."""
    old = run(order_v1, 5, stop_at="signal approval")

    with pytest.raises(TypeError, match="has its input and its id"):
        run(order_v1, 6, history=old.history)


def test_a_stored_result_that_no_longer_fits_is_found() -> None:
    """A step whose annotation a deploy has changed would block the execution; the test says so."""

    def number(step: Step) -> int:
        return 1

    def text(step: Step) -> str:
        return "1"

    @function(name="numbered")
    def numbered(context: Context) -> Workflow[Any]:
        first = yield context.step(number, name="count")
        yield context.sleep(1)
        return first

    @function(name="numbered", version=2)
    def numbered_2(context: Context) -> Workflow[Any]:
        first = yield context.step(text, name="count")
        yield context.sleep(1)
        return first

    history = run(numbered, stop_at="sleep").history

    with pytest.raises(NonDeterministic, match=r"stored result of .*count.* Expected `str`"):
        run(numbered_2, history=history)
