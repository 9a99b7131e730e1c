"""The commands of a durable function, and the outcomes that it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.resonate.codec import Failure
from tests.support.worker.durable import AT_ONCE, FakeSdk, Work
from worker.errors import NonRetryableError, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step


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
    assert [tags["step"] for tags in sdk.tags] == [name]


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
                got.append(error.failure)
        return got[:1] + got[2:] + [str(got[1])]

    sdk = FakeSdk()
    failure = Failure("NonRetryableError", "no", "step 1", 1)

    assert sdk.run(function) == [3, 1, str(failure)]
    assert [tags["step"] for tags in sdk.tags] == ["step 2", "step 1", "step 0"]
    assert len({step.idempotency_key for work in works for step in work.seen}) == 3
