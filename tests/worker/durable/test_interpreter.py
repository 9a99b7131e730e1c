"""The commands of a durable function, and the outcomes that it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from resonate.errors import ResonateTimedoutError

from durable_http import Context, NonRetryableError, StepFailed, TimedOut
from durable_http.commands import NOT_BEGUN, Await, BeginStep
from shared.resonate import tags as tag
from tests.support.worker.durable import AT_ONCE, FakeSdk, Work
from worker.tasks.claim_handle import NoHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from durable_http import Step, Workflow


def test_steps_run_in_order() -> None:
    """Each step runs, and its `yield` returns its result, before the function goes on."""
    order: list[object] = []

    def note(_: Step, *what: object) -> list[object]:
        order.append(what)
        return list(what)

    def function(context: Context, value: int) -> Workflow[dict[str, Any]]:
        first = yield context.step(note, "first", value)
        order.append("between")
        second = yield context.step(note, "second", first)
        return {"id": context.id, "results": [first, second]}

    assert FakeSdk().run(function, 7) == {
        "id": "job",
        "results": [["first", 7], ["second", ["first", 7]]],
    }
    assert order == [("first", 7), "between", ("second", ["first", 7])]


@pytest.mark.parametrize(("label", "name"), [(None, "named"), ("other", "other")])
def test_a_step_is_named(label: str | None, name: str) -> None:
    """A step is stored under the given name, or else under its function's name."""
    names: list[str] = []

    def named(step: Step) -> None:
        names.append(step.name)

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(named, name=label)

    sdk = FakeSdk()
    sdk.run(function)

    assert names == [name]
    assert sdk.names == [name]


def test_every_step_has_its_own_key() -> None:
    """Two steps with the same function have two keys, which are the same in every run."""
    works = Work(), Work()

    def function_with(work: Work) -> Callable[[Context, Any], Workflow[None]]:
        def function(context: Context, _: Any) -> Workflow[None]:
            yield context.step(work)
            yield context.step(work)

        return function

    for work in works:
        FakeSdk().run(function_with(work))

    keys, again = ([step.idempotency_key for step in work.seen] for work in works)
    assert keys == again
    assert len(set(keys)) == 2


def test_steps_may_run_beside_each_other() -> None:
    """A step that was begun is waited for later, and only then raises its failure."""
    works = Work(result=1), Work([NonRetryableError("no")]), Work(result=3)

    def function(context: Context, _: Any) -> Workflow[list[object]]:
        begun = []
        for number, work in enumerate(works):
            begun.append((yield context.begin_step(work, name=f"step {number}", retry=AT_ONCE)))
        assert not works[0].seen
        got: list[object] = []
        for step in reversed(begun):
            try:
                got.append((yield step))
            except StepFailed as error:
                got.append([error.type, error.message, error.step, error.attempts])
        return got

    sdk = FakeSdk()
    failure = ["NonRetryableError", "no", "step 1", 1]

    assert sdk.run(function) == [3, failure, 1]
    assert sdk.names == ["step 2", "step 1", "step 0"]
    assert len({step.idempotency_key for work in works for step in work.seen}) == 3


@dataclass
class Recorded(NoHistory):
    """Notes what is asked of an execution's history; `unchanged` are the changes it has not."""

    unchanged: set[str] = field(default_factory=set)
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)

    def record(self, id: str, tags: Mapping[str, str]) -> None:
        self.records[id] = dict(tags)

    def takes_change(self, id: str, name: str) -> bool:  # noqa: ARG002 - the protocol's
        return name not in self.unchanged

    def check_end(self, position: int) -> None:
        self.ends.append(position)


def recorded(sdk: FakeSdk, *, unchanged: set[str] | None = None) -> Recorded:
    """Give an execution a history, and return that."""
    history = Recorded(unchanged or set())
    sdk.handle = replace(sdk.handle, history=history)
    return history


def test_parts_have_numbers() -> None:
    """Each command but the waiting for a part that was begun takes the next number."""

    def function(context: Context, _: Any) -> Workflow[list[Any]]:
        got = [(yield context.step(Work(result="a"), name="a"))]
        step = yield context.begin_step(Work(result="b"), name="b")
        child = yield context.begin("alpha")
        got += [(yield child), (yield step)]
        yield context.progress(1, 2)
        got.append((yield context.signal("go", timeout=5)))
        got += [(yield context.call("beta")), (yield context.step(Work(result="c"), name="c"))]
        return got

    outcomes = {"job.3": '"3"', "job.6": '"6"', "job.signal.go": '"go"'}
    sdk = FakeSdk({id: (True, text) for id, text in outcomes.items()})
    history = recorded(sdk)

    assert sdk.run(function) == ["a", 3, "b", "go", 6, "c"]
    assert sdk.stored.keys() - outcomes.keys() == {"job.1", "job.2", "job.7"}
    assert history.records.keys() == {"job.4", "job.5"}
    assert history.ends == [7]


def test_waits_for_signals_are_counted_by_name() -> None:
    """The n-th wait for a name gets its n-th value; its record has the name and the number."""

    def function(context: Context, _: Any) -> Workflow[list[Any]]:
        first = yield context.signal("go", timeout=5)
        other = yield context.signal("stop", timeout=5)
        return [first, other, (yield context.signal("go", timeout=5))]

    stored = {"job.signal.go": '"1"', "job.signal.stop": '"2"', "job.signal.go.2": '"3"'}
    sdk = FakeSdk({id: (True, value) for id, value in stored.items()})
    history = recorded(sdk)

    assert sdk.run(function) == ["1", "2", "3"]
    assert history.records == {
        "job.1": {tag.AWAITS: "go", tag.NUMBER: "1"},
        "job.2": {tag.AWAITS: "stop", tag.NUMBER: "1"},
        "job.3": {tag.AWAITS: "go", tag.NUMBER: "2"},
    }


def test_a_signal_that_does_not_come_is_a_failure_to_catch() -> None:
    """After its time a wait raises `TimedOut`, which is a failed step too."""

    def function(context: Context, _: Any) -> Workflow[str]:
        try:
            yield context.signal("go", timeout=0)
        except TimedOut as error:
            return error.type
        return "came"

    sdk = FakeSdk(interrupt=lambda id: ResonateTimedoutError(id, 0))
    recorded(sdk)

    assert sdk.run(function) == "TimedOut"
    assert issubclass(TimedOut, StepFailed)


@pytest.mark.parametrize(("unchanged", "steps"), [(set(), ["new", "2"]), ({"a"}, ["old", "1"])])
def test_a_change_that_is_not_taken_has_no_number(unchanged: set[str], steps: list[str]) -> None:
    """An execution that has passed the line goes on with the numbers that it has stored."""

    def function(context: Context, _: Any) -> Workflow[list[str]]:
        name = "new" if (yield context.changed("a")) else "old"
        work = Work()
        yield context.step(work, name=name)
        return [name, work.seen[0].idempotency_key.removeprefix("job.")]

    sdk = FakeSdk()
    history = recorded(sdk, unchanged=unchanged)

    assert sdk.run(function) == steps
    assert history.records == ({} if unchanged else {"job.1": {tag.CHANGED: "a"}})


def test_the_end_is_checked_however_the_body_ends() -> None:
    """A body that raises has come to its end as well, and another end is another code."""

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(Work())
        raise ValueError("no")

    sdk = FakeSdk()
    history = recorded(sdk)

    assert sdk.failure(function).type == "ValueError"
    assert history.ends == [1]


def test_a_body_yields_commands_only() -> None:
    """Anything else that a body yields is its mistake, raised where it was made."""

    def function(context: Context, _: Any) -> Workflow[str]:
        wrong: Any = 5
        try:
            yield wrong
        except TypeError as error:
            return str(error)
        return context.id

    assert FakeSdk().run(function) == "yield what the context makes, not int"


def test_each_attempt_has_the_arguments_of_the_step() -> None:
    """What an attempt does to its arguments, the next one does not see, nor does the body."""
    seen: list[list[str]] = []

    def greedy(step: Step, goods: list[str]) -> int:
        seen.append(list(goods))
        goods.append("milk")
        if step.attempt < 3:
            raise ValueError("again")
        return len(goods)

    def function(context: Context, _: Any) -> Workflow[list[Any]]:
        goods = ["tea"]
        begun = yield context.begin_step(greedy, goods, retry=AT_ONCE)
        goods.append("salt")
        return [(yield begun), goods]

    assert FakeSdk().run(function) == [2, ["tea", "salt"]]
    assert seen == [["tea"]] * 3


def test_a_step_of_another_execution_is_not_waited_for() -> None:
    """What was begun elsewhere has a number that means something else here."""
    elsewhere = BeginStep(Context("other").step(Work()))

    def function(context: Context, _: Any) -> Workflow[str]:
        yield context.begin_step(Work(), name="own")
        try:
            yield Await(1, elsewhere)
        except TypeError as error:
            return str(error)
        return "waited"

    assert FakeSdk().run(function) == NOT_BEGUN


@dataclass
class Fresh:
    """A result that its own code takes once only."""

    number: int
    taken: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Fresh.taken += 1
        if Fresh.taken > 2:  # made by the step, and made again when it was checked
            raise ValueError("too old")


def test_a_result_that_its_own_code_refuses_later_is_an_error() -> None:
    """No deploy mends it, so the function is told instead of being blocked."""

    def fresh(_: Step) -> Fresh:
        return Fresh(1)

    def function(context: Context, _: Any) -> Workflow[str]:
        try:
            yield context.step(fresh)
        except ValueError as error:
            return str(error)
        return "taken"

    assert FakeSdk().run(function) == "too old"
