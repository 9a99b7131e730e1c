"""The example `checkout`: its steps, and how they are undone when one fails."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from durable_http import Context, NonRetryableError, Step, StepFailed
from durable_http.commands import RunStep
from durable_http.declarations.definition import definition_of
from shared.log import get_logger
from worker.functions.checkout import STEPS, Declined, Order, checkout, notify, reserve
from worker.functions.foo import foo

NAMES = ["reserve", "charge", "pack", "ship", "notify"]
UNDONE = {"reserve": "release", "charge": "refund", "pack": "unpack", "ship": "recall"}


def step(name: str) -> Step:
    """Return the first argument of a step's function."""
    return Step("o-1", name, f"key-{name}", 1, "worker-1", get_logger())


@dataclass
class Shop:
    """Runs the steps of an order at once, and fails those in `failing`."""

    failing: dict[str, Exception] = field(default_factory=dict)
    done: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def take(self, order: Order | None) -> Any:
        """Run an order; return its result or raise its error."""
        body = checkout(Context("o-1"), order)
        send: Any = body.send
        outcome: Any = None
        while True:
            try:
                command = send(outcome)
            except StopIteration as end:
                return end.value
            assert isinstance(command, RunStep)
            name, arguments = command.name, command.arguments
            self.done.append((name, arguments))
            try:
                if name in self.failing:
                    raise self.failing[name]
                if name in NAMES:
                    arguments = (0.0, *arguments[1:])
                send, outcome = body.send, command.function(step(name), *arguments)
            except NonRetryableError as error:
                send = body.throw
                outcome = StepFailed(str(error), type=type(error).__name__, step=name, attempts=1)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.done]


def test_an_order_is_five_steps() -> None:
    """An order runs five steps, each with a receipt."""
    shop = Shop()

    result = shop.take(Order(pace=0.25))

    assert result == {"order": "o-1", "receipts": {name: f"{name}-key-{name}" for name in NAMES}}
    assert shop.done == [(name, (0.25, None)) for name in NAMES]


@pytest.mark.parametrize(("order", "pace"), [(None, 1.0), (Order(), 1.0), (Order(pace=0.0), 0.0)])
def test_an_order_has_a_pace(order: Order | None, pace: float) -> None:
    """By default each step of an order takes a second."""
    shop = Shop()
    shop.take(order)

    assert shop.done == [(name, (pace, None)) for name in NAMES]


@pytest.mark.parametrize("failing", ["reserve", "charge", "pack", "ship", "notify"])
def test_steps_are_undone_in_reverse(
    failing: Literal["reserve", "charge", "pack", "ship", "notify"],
) -> None:
    """When a step fails for good, those before it are undone by receipt, the last one first."""
    shop = Shop()
    before = NAMES[: NAMES.index(failing)]

    with pytest.raises(StepFailed) as caught:
        shop.take(Order(fail=failing))

    failed = caught.value
    assert (failed.type, failed.message) == ("Declined", f"{failing} was declined")
    assert (failed.step, failed.attempts) == (failing, 1)
    assert shop.done[: len(before) + 1] == [(name, (1.0, failing)) for name in [*before, failing]]
    assert shop.done[len(before) + 1 :] == [
        (UNDONE[name], (f"{name}-key-{name}",)) for name in reversed(before)
    ]


def test_a_failure_to_undo_is_the_failure() -> None:
    """If undoing a step fails for good, the order ends with that failure."""
    shop = Shop({"unpack": Declined("the box is gone")})

    with pytest.raises(StepFailed) as caught:
        shop.take(Order(fail="ship"))

    failed = caught.value
    assert (failed.type, failed.message) == ("Declined", "the box is gone")
    assert failed.step == "unpack"
    assert shop.names == ["reserve", "charge", "pack", "ship", "unpack"]


def test_every_step_but_the_last_can_be_undone() -> None:
    """Every step but the notification has a function that undoes it."""
    assert [(do.__name__, undo and undo.__name__) for do, undo in STEPS] == [
        (name, UNDONE.get(name)) for name in NAMES
    ]


def test_a_declined_step_is_not_retried() -> None:
    """A service that declines is not called again."""
    with pytest.raises(NonRetryableError, match=r"^reserve was declined$"):
        reserve(step("reserve"), 0.0, "reserve")

    assert issubclass(Declined, NonRetryableError)


def test_a_receipt_carries_the_key() -> None:
    """A receipt carries the idempotency key with which the service was called."""
    assert notify(step("notify"), 0.0, None) == "notify-key-notify"


def test_an_order_is_a_durable_function() -> None:
    """An order is a generator, so that each step is stored before the next begins."""
    assert inspect.isgeneratorfunction(checkout)
    assert definition_of(checkout).is_workflow


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"foo": "bar"}, 'Processed: {"foo": "bar"}'),
        (None, "Processed: null"),
        ("é", 'Processed: "\\u00e9"'),
        ([1, 2.5, True], "Processed: [1, 2.5, true]"),
    ],
)
def test_foo_shows_its_input(data: object, text: str) -> None:
    """`foo` returns its input as text, and the time when it ran."""
    before = time.time()
    result = foo(step("foo"), data)

    assert result == {"result": text, "timestamp": result["timestamp"]}
    assert before <= result["timestamp"] <= time.time()
