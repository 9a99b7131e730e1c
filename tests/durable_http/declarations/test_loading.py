"""Modules and packages of users' functions are loaded, or the fault is named."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from durable_http import DeclarationError, Step
from durable_http.declarations.definition import define
from durable_http.declarations.loading import load, newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    type Write = Callable[..., str]

ORDER = """
from durable_http import Step, function

@function
def order(step: Step) -> str:
    return step.name
"""


@pytest.fixture(name="write")
def _write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Yield how to write modules below a new package; it returns the package's name."""
    package = f"flows_{uuid.uuid4().hex}"
    monkeypatch.syspath_prepend(tmp_path)

    def write(**sources: str) -> str:
        for name, source in {"__init__": "", **sources}.items():
            path = tmp_path / package / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source.replace("PACKAGE", package))
        return package

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def found(*modules: str) -> list[tuple[str, int]]:
    """Return the names and versions of the functions that modules declare."""
    return sorted((each.name, each.version) for each in load(modules))


def fault(*modules: str) -> str:
    """Return why modules cannot be loaded."""
    with pytest.raises(DeclarationError) as caught:
        load(modules)
    return str(caught.value)


def test_a_module_is_loaded_alone(write: Write) -> None:
    """A module that is named is loaded, and those beside it are not."""
    package = write(orders=ORDER, quotes=ORDER.replace("order", "quote"))

    assert found(f"{package}.orders") == [("order", 1)]
    assert f"{package}.quotes" not in sys.modules


def test_a_package_is_loaded_with_all_its_modules(write: Write) -> None:
    """All modules below a package are loaded, however deep, but no program among them."""
    package = write(
        orders=ORDER,
        billing__in____init__=ORDER.replace("order", "bill"),
        billing__in__deep__in____init__="",
        billing__in__deep__in__refunds=ORDER.replace("order", "refund"),
        __main__="raise SystemExit('a program ran')",
        billing__in____main__="raise SystemExit('a program ran')",
    )

    assert found(package) == [("bill", 1), ("order", 1), ("refund", 1)]


def test_modules_are_loaded_together(write: Write) -> None:
    """Several modules may be named, also one twice."""
    package = write(orders=ORDER, quotes=ORDER.replace("order", "quote"))

    assert found(f"{package}.orders", f"{package}.quotes", package) == [("order", 1), ("quote", 1)]


def test_a_function_that_is_only_imported_counts(write: Write) -> None:
    """A module may gather functions that others declare, under whatever name."""
    package = write(orders=ORDER, all="from PACKAGE.orders import order as anything")

    assert found(f"{package}.all") == [("order", 1)]


def test_an_imported_module_counts_not(write: Write) -> None:
    """What a module's imports declare is not served unless it is named."""
    package = write(orders=ORDER, all=f"import PACKAGE.orders\n{ORDER.replace('order', 'own')}")

    assert found(f"{package}.all") == [("own", 1)]


def test_versions_may_stand_in_several_modules(write: Write) -> None:
    """Versions of one function may each have a module."""
    package = write(old=ORDER, new=ORDER.replace("@function", "@function(version=2)"))

    assert found(package) == [("order", 1), ("order", 2)]


def test_one_version_in_two_modules_is_refused(write: Write) -> None:
    """Which of the two would run could not be known; both modules are named."""
    package = write(one=ORDER, two=ORDER)

    assert fault(package) == (f"order version 1 is declared in {package}.one and in {package}.two")
    assert fault(f"{package}.two", f"{package}.one") == (
        f"order version 1 is declared in {package}.two and in {package}.one"
    )


@pytest.mark.parametrize("source", ["", "def order(step): ..."])
def test_a_module_without_functions_is_refused(write: Write, source: str) -> None:
    """A module that declares nothing was named by mistake, also if another one declares some."""
    package = write(orders=ORDER, empty=source)

    assert fault(f"{package}.orders", f"{package}.empty") == (
        f"{package}.empty declares no function; use @function"
    )


def test_a_module_that_does_not_exist_is_named(write: Write) -> None:
    """The import's own error is shown; no line of ours is to blame."""
    package = write(orders=ORDER)

    assert fault(f"{package}.order") == (
        f"{package}.order cannot be imported: "
        f"ModuleNotFoundError: No module named '{package}.order'"
    )


@pytest.mark.parametrize(
    ("source", "error", "line"),
    [
        ("import durable_http\n\n1 / 0\n", "ZeroDivisionError: division by zero", 3),
        ("import nothing_like_it\n", "ModuleNotFoundError: No module named 'nothing_like_it'", 1),
        ("\nfrom durable_http import nothing\n", "ImportError: cannot import name 'nothing'", 2),
        ("def work():\n    raise KeyError(5)\n\nwork()\n", "KeyError: 5", 2),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
        ("x = 1\nx = (\n", "SyntaxError: '(' was never closed", 2),
    ],
)
@pytest.mark.parametrize("below", [False, True], ids=["alone", "in its package"])
def test_an_import_that_fails_shows_its_line(
    write: Write,
    source: str,
    error: str,
    line: int,
    below: bool,  # noqa: FBT001
) -> None:
    """The error, the file and the line are enough to mend it."""
    package = write(orders=source)

    shown = fault(package if below else f"{package}.orders")

    assert shown.startswith(f"{package}.orders cannot be imported: {error}")
    assert "orders.py" in shown
    assert shown.endswith(f"line {line})")


def test_a_wrong_declaration_is_shown_as_it_is(write: Write) -> None:
    """A fault of a declaration is no fault of an import."""
    package = write(orders=ORDER.replace("@function", "@function(version=0)"))

    assert fault(package) == "order: a version is 1 to 1000000, not 0"


def test_nothing_is_loaded_of_nothing() -> None:
    """Without modules there are no functions."""
    assert load(()) == []


def test_the_newest_version_counts() -> None:
    """Of each name the highest version is the newest, in whatever order they come."""

    def order(step: Step) -> str:
        return step.name

    made = [define(order, version=version) for version in (2, 10, 9)]

    assert newest([*made, define(order, name="quote")]).keys() == {"order", "quote"}
    assert newest(made)["order"] is made[1]


LAZY = """
class Lazy:
    def __getattr__(self, name):
        raise RuntimeError("not configured")

settings = Lazy()
"""


def test_a_lazy_object_in_a_module_is_left_alone(write: Write) -> None:
    """What a module has imported may raise when it is looked into, as lazy settings do."""
    package = write(orders=ORDER + LAZY)

    assert found(f"{package}.orders") == [("order", 1)]
