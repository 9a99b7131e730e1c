"""Finds the annotations of functions.

Annotations that are text are evaluated one by one, since a module may import some of their names,
for example `Context`, for type checkers only.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from types import SimpleNamespace
from typing import (
    Annotated,
    Any,
    Final,
    Never,
    NoReturn,
    TypeAliasType,
    get_args,
    get_origin,
    get_type_hints,
)

from durable_http.types.errors import UnusableAnnotation

type Workflow[T] = Generator[Any, Any, T]

WITHOUT_IMPORT: Final = {
    "Any": Any,
    "Command": Any,
    "Generator": Generator,
    "Iterable": Iterable,
    "Iterator": Iterator,
    "Workflow": Workflow,
}
"""What stands around the type of a result; a module may import it for type checkers only."""


def annotation_of(function: Callable[..., Any], parameter: str | None) -> Any:
    """Return the annotation of a parameter, or of the result for None; `Any` if there is none.

    Raises `UnusableAnnotation` if it cannot be evaluated.
    """
    return _read(function, parameter, lambda annotation: annotation)


def result_annotation(function: Callable[..., Any]) -> Any:
    """Return the annotation of what a call returns, or a generator in the end; `Any` for none.

    That is T for a generator function that is annotated as `Workflow[T]` or `Generator[_, _, T]`.
    Raises `UnusableAnnotation` if it cannot be evaluated.
    """
    if inspect.isgeneratorfunction(_plain(function)):
        return _read(function, None, _returned)
    annotation = annotation_of(function, None)
    return Any if annotation in (Never, NoReturn) else annotation


def _read(function: Callable[..., Any], parameter: str | None, part: Callable[[Any], Any]) -> Any:
    plain = _plain(function)
    name = "return" if parameter is None else parameter
    annotation = getattr(plain, "__annotations__", {}).get(name, Any)
    try:
        return part(_evaluated(plain, annotation))
    except Exception as error:
        what = "its result" if parameter is None else f"its parameter {parameter}"
        shown = annotation if isinstance(annotation, str) else repr(annotation)
        missing = error.name if isinstance(error, NameError) else None
        raise UnusableAnnotation(
            f"{plain.__qualname__}: the annotation of {what}, {shown}, cannot be evaluated:"
            f" {error}; import {missing or 'what it names'} at the top of the module, where the"
            " program runs, not under TYPE_CHECKING"
        ) from error


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function in decorators, a `partial`, a method or an object that can be called."""
    while not inspect.isfunction(function) or hasattr(function, "__wrapped__"):
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.isfunction(getattr(type(function), "__call__", None)):  # noqa: B004
            function = type(function).__call__
        else:
            break
    return function


def _evaluated(function: Callable[..., Any], annotation: Any) -> Any:
    only = SimpleNamespace(__annotations__={"it": annotation})
    known = getattr(function, "__globals__", {})
    return get_type_hints(only, known, _local_names(function, known), include_extras=True)["it"]


def _local_names(function: Callable[..., Any], known: dict[str, Any]) -> dict[str, Any]:
    names = {name: value for name, value in WITHOUT_IMPORT.items() if name not in known}
    code = getattr(function, "__code__", None)
    for name, cell in zip(
        getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=True
    ):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # the variable has no value yet
            continue
    return names | {each.__name__: each for each in getattr(function, "__type_params__", ())}


def _returned(annotation: Any) -> Any:
    """Return the type of what a generator of this type returns in the end."""
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if isinstance(origin, TypeAliasType):
        # The value of `durable_http.Workflow` names classes that are there for type checkers only.
        if origin.__name__ == "Workflow" and str(origin.__module__).startswith("durable_http."):
            return arguments[0] if arguments else Any
        return _returned(origin.__value__[arguments] if arguments else origin.__value__)
    if origin is Annotated:
        return _returned(arguments[0])
    if origin is Generator:
        return arguments[2] if len(arguments) == 3 else Any
    return Any if origin in (Iterator, Iterable) else annotation
