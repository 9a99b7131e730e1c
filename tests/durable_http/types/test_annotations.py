"""Annotations are found one by one, also where a module imports some names for type checkers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Never

import pytest

from durable_http.types import UnusableAnnotation, annotation_of, result_annotation

if TYPE_CHECKING:
    from elsewhere import (  # type: ignore[import-not-found]
        Command,
        Context,
        Receipt,
        Workflow,
    )


class Order:
    """A class of this module."""


type Flow[T] = Generator[int, Any, list[T]]


def workflow(context: Context, order: Order) -> Workflow[Order]:
    """Has annotations that a type checker knows, and one that the program knows."""
    yield


def unusable(context: Context, receipt: Receipt) -> Workflow[Receipt]:
    """Has an annotation that only type checkers know."""
    yield


def unannotated(context, order):  # type: ignore[no-untyped-def]
    """Has no annotations."""
    yield


def test_a_parameter_is_found_beside_one_that_only_type_checkers_know() -> None:
    """Other annotations of the function need not be known."""
    assert annotation_of(workflow, "order") is Order


def test_what_is_not_annotated_is_any() -> None:
    """Without an annotation, everything is allowed."""
    assert annotation_of(unannotated, "order") is Any
    assert annotation_of(unannotated, None) is Any
    assert result_annotation(unannotated) is Any
    assert annotation_of(len, None) is Any


def test_none_is_an_annotation() -> None:
    """`None` says that there is no result, which is not the same as no annotation."""

    def nothing() -> None: ...

    assert annotation_of(nothing, None) is type(None)


def test_names_inside_other_types_are_found() -> None:
    """Annotations are evaluated in the module of the function, with their remarks."""

    def step(orders: dict[str, list[Order | None]], limit: Annotated[int, "remark"]) -> None: ...

    assert annotation_of(step, "orders") == dict[str, list[Order | None]]
    assert annotation_of(step, "limit") == Annotated[int, "remark"]


def test_names_of_the_enclosing_function_are_found() -> None:
    """A class in a function is found if the function's code uses it."""

    class Local:
        pass

    def step(item: Local) -> Local:
        return Local()

    assert annotation_of(step, "item") is Local


def test_a_missing_name_is_said_with_what_to_do() -> None:
    """The message names the function, the parameter and the name to import."""
    with pytest.raises(UnusableAnnotation) as caught:
        annotation_of(unusable, "receipt")
    assert str(caught.value) == (
        "unusable: the annotation of its parameter receipt, Receipt, cannot be evaluated: name"
        " 'Receipt' is not defined; import Receipt at the top of the module, where the program"
        " runs, not under TYPE_CHECKING"
    )
    with pytest.raises(UnusableAnnotation, match=r"of its result, .*import Receipt"):
        result_annotation(unusable)


def test_other_faults_of_an_annotation_are_said_too() -> None:
    """Whatever the evaluation raises is said."""

    def step(item: Order.Missing) -> None: ...  # type: ignore[name-defined]

    with pytest.raises(
        UnusableAnnotation, match=r"Order\.Missing, cannot be evaluated: type object"
    ):
        annotation_of(step, "item")


def returns_generator() -> Generator[Command, Any, Order]:
    """Returns an order in the end."""
    yield
    return Order()


def returns_generator_of_one() -> Generator[Command]:
    """Does not say what it returns."""
    yield


def returns_iterator() -> Iterator[Command]:
    """Does not say what it returns."""
    yield


def returns_alias() -> Flow[Order]:
    """Is annotated with an alias of the module's own."""
    yield 1
    return []


def returns_annotated() -> Annotated[Workflow[Order], "remark"]:
    """Is annotated with a remark."""
    yield


def returns_bare() -> Workflow:
    """Does not say what it returns."""
    yield


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (workflow, Order),
        (returns_generator, Order),
        (returns_generator_of_one, Any),
        (returns_iterator, Any),
        (returns_alias, list[Order]),
        (returns_annotated, Order),
        (returns_bare, Any),
    ],
)
def test_the_result_of_a_workflow_is_what_its_generator_returns(
    function: Callable[..., Any], expected: Any
) -> None:
    """The type that counts is the last one of the generator, whoever names it."""
    assert result_annotation(function) == expected


def test_the_result_of_a_plain_function_is_its_annotation() -> None:
    """A plain function returns what it says."""

    def step(order: Order) -> list[Order]:
        return [order]

    assert result_annotation(step) == list[Order]


def test_a_function_that_only_raises_has_any_result() -> None:
    """There is no result that could be wrong."""

    def fails() -> Never:
        raise ValueError

    assert result_annotation(fails) is Any


def test_decorators_methods_and_objects_are_looked_through() -> None:
    """The annotations are those of the function that is called in the end."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*arguments: Any) -> Any:
            return function(*arguments)

        return wrapper

    class Steps:
        def method(self, order: Order) -> Order:
            return order

        def __call__(self, order: Order) -> Order | None:
            return order

    assert annotation_of(decorated(workflow), "order") is Order
    assert result_annotation(decorated(workflow)) is Order
    assert annotation_of(functools.partial(workflow, None), "order") is Order
    assert annotation_of(Steps().method, "order") is Order
    assert annotation_of(Steps(), "order") is Order
    assert annotation_of(Steps(), None) == Order | None


def test_type_parameters_are_no_missing_names() -> None:
    """A type parameter is known inside its function."""

    def step[T](item: list[T]) -> T:
        return item[0]

    assert annotation_of(step, "item").__origin__ is list
