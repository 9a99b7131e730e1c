"""The example `checkout`: its steps, and how they are undone when one fails."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from shared.catalog import SHIPPED
from shared.log import get_logger
from shared.resonate.codec import Failure
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from worker.durable.context import Context
from worker.durable.driver import durable
from worker.durable.steps import Step
from worker.errors import NonRetryableError, StepFailed, describe
from worker.functions.checkout import DEFAULT_PACE, STEPS, Declined, checkout, notify, reserve
from worker.functions.foo import foo
from worker.tasks.board import Board
from worker.tasks.claims import Claim
from worker.tasks.leases import ClaimHandle, Leases

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ["reserve", "charge", "pack", "ship", "notify"]
UNDONE = {"reserve": "release", "charge": "refund", "pack": "unpack", "ship": "recall"}


class Direct(Context):
    """A context whose commands are the calls themselves, for the test to make."""

    def __init__(self) -> None:
        tasks = Tasks(Transport(ServerSettings(), attempt=1, budget=1))
        self._handle = ClaimHandle(
            Claim("__invoke:o-1", 1, "o-1"),
            Leases(tasks, Board(), 60),
            "worker-1",
            "worker",
            SHIPPED,
        )

    def step(self, function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return function, arguments


def step(name: str) -> Step:
    """Return the first argument of a step's function."""
    return Step("o-1", name, f"key-{name}", 1, "worker-1", get_logger())


@dataclass
class Shop:
    """Runs the steps of an order at once, and fails those in `failing`."""

    failing: dict[str, Exception] = field(default_factory=dict)
    done: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def take(self, order: dict[str, Any] | None) -> Any:
        """Run an order; return its result or raise its error."""
        body: Any = checkout(Direct(), order)
        send, outcome = body.send, None
        while True:
            try:
                function, arguments = send(outcome)
            except StopIteration as end:
                return end.value
            name = function.__name__
            self.done.append((name, arguments))
            try:
                if name in self.failing:
                    raise self.failing[name]
                if name in NAMES:
                    arguments = (0.0, *arguments[1:])
                send, outcome = body.send, function(step(name), *arguments)
            except NonRetryableError as error:
                failed = StepFailed(describe(error, step=name, attempts=1))
                send, outcome = body.throw, failed

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.done]


def test_an_order_is_five_steps() -> None:
    """An order runs five steps, each with a receipt."""
    shop = Shop()

    result = shop.take({"pace": 0.25})

    assert result == {"order": "o-1", "receipts": {name: f"{name}-key-{name}" for name in NAMES}}
    assert shop.done == [(name, (0.25, None)) for name in NAMES]


@pytest.mark.parametrize(
    ("order", "pace"), [(None, DEFAULT_PACE), ({}, DEFAULT_PACE), ({"pace": 0}, 0.0)]
)
def test_an_order_has_a_pace(order: dict[str, Any] | None, pace: float) -> None:
    """By default each step of an order takes a second."""
    shop = Shop()
    shop.take(order)

    assert DEFAULT_PACE == 1.0
    assert shop.done == [(name, (pace, None)) for name in NAMES]


@pytest.mark.parametrize("failing", NAMES)
def test_steps_are_undone_in_reverse(failing: str) -> None:
    """When a step fails for good, those before it are undone by receipt, the last one first."""
    shop = Shop()
    before = NAMES[: NAMES.index(failing)]

    with pytest.raises(StepFailed) as caught:
        shop.take({"fail": failing})

    assert caught.value.failure == Failure("Declined", f"{failing} was declined", failing, 1)
    assert shop.done[: len(before) + 1] == [(name, (1.0, failing)) for name in [*before, failing]]
    assert shop.done[len(before) + 1 :] == [
        (UNDONE[name], (f"{name}-key-{name}",)) for name in reversed(before)
    ]


def test_an_unknown_step_fails_nothing() -> None:
    """An order that is to fail at an unknown step succeeds."""
    shop = Shop()
    shop.take({"fail": "dance"})

    assert shop.names == NAMES


def test_a_failure_to_undo_is_the_failure() -> None:
    """If undoing a step fails for good, the order ends with that failure."""
    shop = Shop({"unpack": Declined("the box is gone")})

    with pytest.raises(StepFailed) as caught:
        shop.take({"fail": "ship"})

    assert caught.value.failure == Failure("Declined", "the box is gone", "unpack", 1)
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
    assert inspect.isgeneratorfunction(durable(checkout))


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
