"""Annotations hold in tests: of inputs, of results of steps, of children and of functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from durable_http import StepFailed, WrongResult, function
from durable_http.testing import run

if TYPE_CHECKING:
    from durable_http import Context, Step, Workflow


class Order(msgspec.Struct):
    """An input."""

    total: int
    due: date | None = None


@dataclass
class Receipt:
    """A result."""

    number: int
    day: date


def charge(step: Step, total: int) -> Receipt:
    """Return a receipt."""
    return Receipt(total, date(2026, 1, 2))


@function
def typed(context: Context, order: Order) -> Workflow[Receipt]:
    """Return the receipt of a typed order."""
    receipt = yield context.step(charge, order.total)
    assert isinstance(receipt, Receipt)
    yield context.sleep(1)
    return Receipt(receipt.number + 1, receipt.day)


@function
def above(context: Context) -> Workflow[Any]:
    """Take the typed result of a child."""
    receipt = yield context.call(typed, {"total": 1})
    return [type(receipt).__name__, receipt]


@function
def outspoken(context: Context) -> Workflow[Any]:
    """Return the failure of a step."""
    try:
        return (yield context.step(charge, 1))
    except StepFailed as error:
        return [error.type, error.attempts]


@function
def lying(context: Context) -> Workflow[int]:
    """Return something else than is declared."""
    yield context.progress(1, 1)
    return "five"  # type: ignore[return-value]


@pytest.mark.parametrize("given", [{"total": 4}, Order(4)], ids=["json", "struct"])
def test_values_have_their_types(given: Any) -> None:
    """Input and results are converted in each run; a test sees both the object and its JSON."""
    outcome = run(typed, given)

    assert outcome.result == Receipt(5, date(2026, 1, 2))
    assert outcome.json == {"number": 5, "day": "2026-01-02"}
    assert outcome.step("charge").result == Receipt(4, date(2026, 1, 2))


def test_a_replacement_gives_what_the_step_declares() -> None:
    """What stands for a step is converted as the step's result is, and checked as it is."""
    outcome = run(typed, {"total": 4}, steps={charge: {"number": 7, "day": "2026-03-04"}})

    assert outcome.result == Receipt(8, date(2026, 3, 4))
    assert run(outspoken, steps={charge: {"number": "x"}}).result == ["WrongResult", 1]


def test_an_input_of_another_type_fails() -> None:
    """An execution with an input that is not what the function takes is rejected."""
    outcome = run(typed, {"total": "much"})

    assert outcome.status == "rejected"
    assert type(outcome.error).__name__ == "InvalidInput"
    assert outcome.steps == ()


def test_children_have_types() -> None:
    """A parent that names a child by its function gets the child's type, also of a replacement."""
    assert run(above).result == ["Receipt", {"number": 2, "day": "2026-01-02"}]
    fake = {"number": 9, "day": "2026-01-02"}
    assert run(above, children={typed: fake}).result == ["Receipt", fake]
    error = run(above, children={typed: "none"}).error
    assert isinstance(error, StepFailed)
    assert error.type == "WrongResult"


def test_a_result_of_another_type_is_found() -> None:
    """An execution that does not return what its function declares is rejected."""
    outcome = run(lying)

    assert outcome.status == "rejected"
    with pytest.raises(WrongResult, match="the result is not what its annotation says"):
        _ = outcome.result
