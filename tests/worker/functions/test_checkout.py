"""The order of an order: what is done, and what is taken back when a step fails."""

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
from worker.tasks.claims import Claim
from worker.tasks.leases import ClaimHandle, Leases

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ["reserve", "charge", "pack", "ship", "notify"]
UNDONE = {"reserve": "release", "charge": "refund", "pack": "unpack", "ship": "recall"}


class Direct(Context):
    """Makes commands that are calls; what a call means is left to the test."""

    def __init__(self) -> None:
        tasks = Tasks(Transport(ServerSettings(), attempt=1, budget=1))
        self._handle = ClaimHandle(
            Claim("__invoke:o-1", 1, "o-1"), Leases(tasks, "pid", 60), "worker-1", "worker", SHIPPED
        )

    def step(self, function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return function, arguments


def step(name: str) -> Step:
    """Return what a step is told about itself."""
    return Step("o-1", name, f"key-{name}", 1, "worker-1", get_logger())


@dataclass
class Shop:
    """Runs the steps of an order, each at once, and fails those that a test wants to fail."""

    failing: dict[str, Exception] = field(default_factory=dict)
    done: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def take(self, order: dict[str, Any] | None) -> Any:
        """Return what an order returns, or raise what it raises."""
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
    """Goods are held, paid for, packed, shipped and announced, each with a receipt."""
    shop = Shop()

    result = shop.take({"pace": 0.25})

    assert result == {"order": "o-1", "receipts": {name: f"{name}-key-{name}" for name in NAMES}}
    assert shop.done == [(name, (0.25, None)) for name in NAMES]


@pytest.mark.parametrize(
    ("order", "pace"), [(None, DEFAULT_PACE), ({}, DEFAULT_PACE), ({"pace": 0}, 0.0)]
)
def test_an_order_has_a_pace(order: dict[str, Any] | None, pace: float) -> None:
    """Without a pace of its own an order takes a second for each step."""
    shop = Shop()
    shop.take(order)

    assert DEFAULT_PACE == 1.0
    assert shop.done == [(name, (pace, None)) for name in NAMES]


@pytest.mark.parametrize("failing", NAMES)
def test_what_was_done_is_taken_back_in_reverse(failing: str) -> None:
    """When a step fails for good, those before it are taken back, last first, each by receipt."""
    shop = Shop()
    before = NAMES[: NAMES.index(failing)]

    with pytest.raises(StepFailed) as caught:
        shop.take({"fail": failing})

    assert caught.value.failure == Failure("Declined", f"{failing} was declined", failing, 1)
    assert shop.done[: len(before) + 1] == [(name, (1.0, failing)) for name in [*before, failing]]
    assert shop.done[len(before) + 1 :] == [
        (UNDONE[name], (f"{name}-key-{name}",)) for name in reversed(before)
    ]


def test_a_step_of_another_name_fails_nothing() -> None:
    """An order to fail at a step that there is not goes through."""
    shop = Shop()
    shop.take({"fail": "dance"})

    assert shop.names == NAMES


def test_a_failure_to_take_back_is_the_failure() -> None:
    """If taking back fails for good as well, the order ends there and says so."""
    shop = Shop({"unpack": Declined("the box is gone")})

    with pytest.raises(StepFailed) as caught:
        shop.take({"fail": "ship"})

    assert caught.value.failure == Failure("Declined", "the box is gone", "unpack", 1)
    assert shop.names == ["reserve", "charge", "pack", "ship", "unpack"]


def test_every_step_but_the_last_can_be_taken_back() -> None:
    """The table of steps has each with what takes it back, and nothing for a notification."""
    assert [(do.__name__, undo and undo.__name__) for do, undo in STEPS] == [
        (name, UNDONE.get(name)) for name in NAMES
    ]


def test_no_is_permanent() -> None:
    """A service that declines is not asked again."""
    with pytest.raises(NonRetryableError, match=r"^reserve was declined$"):
        reserve(step("reserve"), 0.0, "reserve")

    assert issubclass(Declined, NonRetryableError)


def test_a_receipt_carries_the_key() -> None:
    """Services are called with the step's key, so that a call made twice is one call."""
    assert notify(step("notify"), 0.0, None) == "notify-key-notify"


def test_an_order_is_a_durable_function() -> None:
    """An order yields its steps, so that each is stored before the next begins."""
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
    """The smallest function returns its input as text, and the time when it ran."""
    before = time.time()
    result = foo(step("foo"), data)

    assert result == {"result": text, "timestamp": result["timestamp"]}
    assert before <= result["timestamp"] <= time.time()
