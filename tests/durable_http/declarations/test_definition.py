"""What can be declared as a durable function, and what is refused."""

from __future__ import annotations

import functools
import math
import sys
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from durable_http import Context, DeclarationError, RetryPolicy, Step, Workflow, function
from durable_http.declarations.definition import define, definition_of
from durable_http.declarations.registered import declared_in
from durable_http.retry import DEFAULT_RETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNTER = iter(range(10**6))

ONE = """
from durable_http import Step, function

@function(name="order"{options})
def first(step: Step) -> int:
    return 1
"""

ANOTHER = """
@function(name="order"{options})
def second(step: Step) -> int:
    return 2
"""


@pytest.fixture(name="run")
def _run(tmp_path: Any) -> Iterator[Callable[[str], ModuleType]]:
    """Yield how to run a source as a module, the same one each time."""
    module = ModuleType(f"declared_by_test_{next(COUNTER)}")
    sys.modules[module.__name__] = module

    def run(source: str) -> ModuleType:
        exec(compile(source, str(tmp_path / "module.py"), "exec"), module.__dict__)
        return module

    yield run
    del sys.modules[module.__name__]


def workflow(context: Context, given: Any) -> Workflow[str]:
    """Quotes a price.

    The rest of the text is for readers of the code.
    """
    name: str = yield context.step(plain, given)
    return name


def plain(step: Step, given: Any = None) -> str:
    """Return a name."""
    return f"{step.name} {given}"


def test_the_code_says_what_is_not_declared() -> None:
    """Name, summary and kind come from the code; everything else has a default."""
    made = define(workflow)

    assert (made.name, made.version, made.summary) == ("workflow", 1, "Quotes a price.")
    assert (made.is_workflow, made.takes_input, made.private) == (True, True, False)
    assert (made.timeout, made.retry) == (None, DEFAULT_RETRY)
    assert (made.signals, made.default_input) == ((), None)
    assert made.module == workflow.__module__


def test_everything_can_be_declared() -> None:
    """What is declared stands in the definition; times are in seconds."""
    retry = RetryPolicy(max_attempts=1)
    made = define(
        plain,
        name="an-Order_2",
        version=7,
        private=True,
        timeout=timedelta(minutes=2),
        retry=retry,
        signals=["approval", "stop"],
        default_input={"a": 1},
    )

    assert (made.name, made.version, made.private) == ("an-Order_2", 7, True)
    assert (made.timeout, made.retry) == (120.0, retry)
    assert (made.signals, made.default_input) == (("approval", "stop"), {"a": 1})


def test_a_plain_function_is_no_workflow() -> None:
    """A function that yields nothing is a step; one without a second parameter takes no input."""
    one, two = define(lambda step: step, name="one"), define(plain)

    assert (one.is_workflow, one.takes_input) == (False, False)
    assert (two.is_workflow, two.takes_input) == (False, True)


def test_a_decorated_function_is_what_it_wraps() -> None:
    """A decorator that uses `functools.wraps` hides neither the kind nor the parameters."""

    @functools.wraps(workflow)
    def wrapped(*arguments: Any) -> Any:
        return workflow(*arguments)

    made = define(wrapped)

    assert (made.name, made.is_workflow, made.takes_input) == ("workflow", True, True)


def test_the_default_of_the_input_is_the_default_input() -> None:
    """A request without a body gets the parameter's default, unless another one is declared."""

    def order(_: Step, given: Any = (1, 2)) -> Any:
        return given

    assert define(order).default_input == (1, 2)
    assert define(order, default_input=[3]).default_input == [3]
    assert define(workflow).default_input is None


def test_a_bound_method_can_be_defined() -> None:
    """A bound method's own object is no parameter."""

    class Shop:
        def order(self, step: Step, given: Any) -> str:
            return f"{step.name} {given}"

    made = define(Shop().order)

    assert (made.name, made.takes_input, made.is_workflow) == ("order", True, False)


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a.b", "a/b", "<lambda>", 5])
def test_a_name_that_clients_cannot_send_is_refused(name: Any) -> None:
    """A name has 1 to 64 letters, digits, `-` and `_`."""
    with pytest.raises(DeclarationError) as caught:
        define(plain, name=name)

    assert str(caught.value) == f"{name!r} cannot name a function; use [A-Za-z0-9_-]{{1,64}}"


def test_a_name_of_64_characters_is_not_too_long() -> None:
    """The longest name is allowed, and a lambda has none of its own."""
    assert define(plain, name="x" * 64).name == "x" * 64
    with pytest.raises(DeclarationError, match="'<lambda>' cannot name a function"):
        define(lambda step: step)


@pytest.mark.parametrize("version", [0, -1, 1_000_001, True, 1.0, "1", None])
def test_a_version_is_a_whole_number(version: Any) -> None:
    """A version is 1 to 1,000,000."""
    with pytest.raises(DeclarationError) as caught:
        define(plain, version=version)

    assert str(caught.value) == f"plain: a version is 1 to 1000000, not {version!r}"
    assert [define(plain, version=number).version for number in (1, 1_000_000)] == [1, 1_000_000]


async def coroutine(step: Step) -> None:
    """Do nothing."""


async def generator(step: Step) -> Any:
    """Yield nothing."""
    yield step


@pytest.mark.parametrize("code", [coroutine, generator, functools.partial(coroutine)])
def test_a_function_is_not_async(code: Any) -> None:
    """A coroutine would be stored as a result; the error shows what to do instead."""
    with pytest.raises(DeclarationError) as caught:
        define(code, name="order")

    assert str(caught.value) == "order: a durable function is not async; steps may run asyncio"


@pytest.mark.parametrize(
    "parameters",
    ["", "step, one, two", "*steps", "step, **options", "step, *, given", "*, step"],
)
def test_a_function_takes_its_context_and_one_input(parameters: str) -> None:
    """Anything but one or two positional parameters is refused."""
    code = eval(f"lambda {parameters}: None")
    with pytest.raises(DeclarationError) as caught:
        define(code, name="order")

    assert str(caught.value) == (
        "order: a durable function takes its context, or its step, and one input or none"
    )


@pytest.mark.parametrize("code", [int, 5, None, "order"])
def test_what_has_no_parameters_is_refused(code: Any) -> None:
    """What is no function, or shows no parameters, is refused with the name."""
    with pytest.raises(DeclarationError, match=r"^order: "):
        define(code, name="order")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"timeout": -1}, "timeout must be 0 to 3153600000 seconds, not -1"),
        ({"timeout": math.nan}, "timeout must be 0 to 3153600000 seconds, not nan"),
        ({"timeout": "1h"}, "timeout must be a number of seconds, not str"),
        ({"signals": ["a b"]}, "'a b' cannot name a signal; use [A-Za-z0-9_-]{1,64}"),
        ({"signals": "approval"}, "signals are names in a tuple or a list, not 'approval'"),
        ({"retry": 3}, "retry must be a RetryPolicy, not int"),
        ({"signals": 5}, "'int' object is not iterable"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], fault: str) -> None:
    """The error has the function's name and what is wrong."""
    with pytest.raises(DeclarationError) as caught:
        define(plain, **options)

    assert str(caught.value) == f"plain: {fault}"


def test_a_declared_function_is_still_the_function() -> None:
    """`@function` returns what it decorates, with or without options, and remembers it."""

    def order(step: Step) -> str:
        return step.name

    assert function(order) is order
    assert definition_of(order).name == "order"
    assert function(name="other", version=2)(order) is order
    assert (definition_of(order).name, definition_of(order).version) == ("other", 2)


def test_what_is_not_declared_has_no_definition() -> None:
    """A function that was not declared is no durable function."""
    with pytest.raises(TypeError, match=r"^plain is no durable function; declare it with @fun"):
        definition_of(plain)


def test_a_bound_method_cannot_be_declared() -> None:
    """A worker that loads the module could not find it; nothing of it is kept."""

    class Shop:
        def order(self, step: Step) -> str:
            return step.name

    with pytest.raises(DeclarationError) as caught:
        function(name="never-kept")(Shop().order)

    assert str(caught.value) == "never-kept: a method cannot be declared; declare a function"
    assert "never-kept" not in {each.name for each in declared_in(__name__)}


def test_a_declaration_is_found_by_its_module(run: Callable[[str], ModuleType]) -> None:
    """A module's declarations are found under its name and under its package's, and only there."""
    module = run(ONE.format(options=""))
    package, _, rest = module.__name__.partition("_")

    assert [each.name for each in declared_in(module.__name__)] == ["order"]
    assert declared_in(package) == []
    assert declared_in(f"{module.__name__}.below") == []
    assert rest


def test_two_versions_stand_in_one_module(run: Callable[[str], ModuleType]) -> None:
    """Functions of one name and several versions are all declared, also if a name hides one."""
    source = ONE.format(options="") + ANOTHER.format(options=", version=2")
    module = run(source.replace("def second", "def first"))

    assert [(each.version, each.function(None)) for each in declared_in(module.__name__)] == [
        (1, 1),
        (2, 2),
    ]


def test_a_version_is_declared_once_in_a_module(run: Callable[[str], ModuleType]) -> None:
    """One version in two places of a module is a mistake."""
    with pytest.raises(DeclarationError, match=r" declares order version 3 twice$"):
        run(ONE.format(options=", version=3") + ANOTHER.format(options=", version=3"))


def test_a_module_may_be_loaded_again(run: Callable[[str], ModuleType]) -> None:
    """A declaration in the same line is the same one, and the latest code counts."""
    run(ONE.format(options=""))
    module = run(ONE.format(options="").replace("return 1", "return 5"))

    (found,) = declared_in(module.__name__)
    assert found.function(None) == 5
