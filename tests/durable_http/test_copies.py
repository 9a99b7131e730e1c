"""Copies of a step's arguments."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from durable_http import Context, Step
from durable_http.copies import copied

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Basket:
    """Something that a step may change."""

    goods: list[str] = field(default_factory=list)


class Stubborn:
    """An object that refuses to be copied."""

    def __deepcopy__(self, _: Any) -> Any:
        raise ValueError("not me")


def iter_nothing() -> Iterator[int]:
    """Yield nothing."""
    yield from ()


def work(step: Step) -> str:
    """Return a name."""
    return step.name


@pytest.mark.parametrize("value", [[1, [2]], {"a": {"b": [1]}}, {1, 2}, bytearray(b"x")])
def test_what_can_change_is_copied(value: Any) -> None:
    """A copy is equal, and no part of it is shared."""
    (copy,) = copied((value,))

    assert copy == value
    assert copy is not value


def test_a_copy_is_deep() -> None:
    """What a later change does to the original, at any depth, is not seen in the copy."""
    basket = Basket(["tea"])
    (copy, _) = copied(({"baskets": [basket]}, basket))
    basket.goods.append("milk")

    assert copy == {"baskets": [Basket(["tea"])]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**70,
        1.5,
        "é",
        b"x",
        date(2030, 1, 2),
        datetime(2030, 1, 2, tzinfo=UTC),
        timedelta(1),
        Decimal("1.0"),
        UUID(int=5),
        work,
        Basket,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_change_is_passed_on(value: Any) -> None:
    """A value that nothing can change is its own copy."""
    assert copied((value,))[0] is value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (threading.Lock(), "lock cannot be: cannot pickle '_thread.lock' object"),
        (iter_nothing(), "generator cannot be: cannot pickle 'generator' object"),
        ([threading.Lock()], "list cannot be: cannot pickle '_thread.lock' object"),
        (Stubborn(), "Stubborn cannot be: not me"),
    ],
    ids=["lock", "generator", "lock in a list", "stubborn"],
)
def test_what_cannot_be_copied_is_refused(value: Any, reason: str) -> None:
    """The body gets the error at its call of the context, before anything is stored."""
    with pytest.raises(TypeError) as caught:
        Context("job").step(work, 1, value)

    assert str(caught.value) == f"a step's arguments are copied, and {reason}; let the step make it"


def test_a_step_has_the_arguments_of_its_call() -> None:
    """A body may change what it has passed to a step; the step does not see that."""
    goods = ["tea"]
    command = Context("job").step(work, goods)
    begun = Context("job").begin_step(work, goods)
    goods.append("milk")

    assert command.arguments == begun.step.arguments == (["tea"],)
