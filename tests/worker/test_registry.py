"""The functions that a worker serves, in all their versions."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from durable_http import Context, DeclarationError, Step, Workflow
from durable_http.declarations.definition import define
from durable_http.declarations.loading import load
from shared.webhooks import FUNCTION
from worker import functions
from worker.registry import SHIPPED_DEFAULT, Functions
from worker.settings import SHIPPED_MODULES


def order(context: Context) -> Workflow[str]:
    """Order something."""
    name: str = yield context.step(quote)
    return name


def quote(step: Step) -> str:
    """Quote a price."""
    return step.name


@pytest.fixture(name="shipped", scope="module")
def _shipped() -> Functions:
    return Functions(load(SHIPPED_MODULES))


def served(*versions: int) -> Functions:
    """Return the functions of a worker that knows these versions of `order`, and one `quote`."""
    orders = [define(order, version=version) for version in versions]
    return Functions([define(quote), *orders])


def test_every_example_is_served(shipped: Functions) -> None:
    """A worker without settings serves every file of the examples, and the default one."""
    files = {path.stem for path in Path(functions.__path__[0]).glob("[!_]*.py")}

    assert files <= set(shipped.newest)
    assert SHIPPED_DEFAULT in shipped.newest


def test_every_example_has_a_summary(shipped: Functions) -> None:
    """Each example says in a sentence what it does."""
    assert [each.name for each in shipped.definitions if not each.summary.endswith(".")] == []


def test_every_function_can_be_run(shipped: Functions) -> None:
    """The SDK finds each function by its name and version, as a generator function."""
    for each in shipped.definitions:
        name, code, version = shipped.registry.get(each.name, each.version)

        assert (name, version) == (each.name, each.version)
        assert inspect.isgeneratorfunction(code)


@pytest.mark.parametrize(("name", "version"), [("bar", 0), ("foo", 2), ("checkout", 2)])
def test_nothing_else_can_be_run(shipped: Functions, name: str, version: int) -> None:
    """Any other name or version is unknown, so that it is left to a worker that knows it."""
    with pytest.raises(ValueError, match="not found"):
        shipped.registry.get(name, version)


def test_versions_stand_side_by_side() -> None:
    """A worker serves all versions of a function, and children are begun with the newest."""
    functions = served(3, 1, 2)

    assert functions.versions["order"] == [1, 2, 3]
    assert [functions.registry.get("order", version)[2] for version in (1, 2, 3)] == [1, 2, 3]
    assert {name: each.version for name, each in functions.newest.items()} == {
        "order": 3,
        "quote": 1,
    }


def test_the_log_shows_what_is_served() -> None:
    """Functions are described in one line, in order, each with its versions."""
    assert served(2, 1).described() == "order 1, 2; quote 1"


def test_a_function_of_the_worker_is_no_users_function() -> None:
    """What the worker adds is served, but it is not described and no child is begun with it."""
    functions = served(1)
    functions.add(define(quote, name=FUNCTION))

    assert functions.versions[FUNCTION] == [1]
    assert functions.registry.get(FUNCTION, 1)[0] == FUNCTION
    assert FUNCTION not in functions.newest
    assert functions.described() == "order 1; quote 1"


def test_a_name_of_the_service_is_refused() -> None:
    """A user's function cannot stand in for the one that sends webhooks."""
    taken = define(quote, name=FUNCTION)

    with pytest.raises(DeclarationError, match=f"the name {FUNCTION} is the service's own"):
        Functions([taken])
