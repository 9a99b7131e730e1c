"""The code of docs/functions-reference.md and README.md does what these pages say."""

from __future__ import annotations

import re
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

import msgspec
import pytest

import durable_http
import durable_http.testing
from durable_http import Step
from durable_http.declarations.definition import function
from durable_http.testing import History, after, run
from durable_http.testing.running import Scenario
from tests.support.processes import ROOT
from tests.support.tutorial import blocks

PAGE: Final = ROOT / "docs" / "functions-reference.md"


class Order(msgspec.Struct):
    """The input of `checkout`."""

    item: str
    cents: int


def charge(step: Step, cents: int) -> str:
    """Stand for the page's step."""
    return f"r-{cents}"


def ship(step: Step, item: str) -> None:
    """Stand for the page's step."""


def refund(step: Step, receipt: str) -> None:
    """Stand for the page's step."""


def write(step: Step, language: str) -> str:
    """Stand for the page's step."""
    return f"in {language}"


@pytest.fixture(name="page", scope="module")
def _page() -> ModuleType:
    """Return a module with all code of the page, and with what the page leaves to its reader."""
    module = ModuleType("reference")
    here = (Order, charge, ship, refund, write, timedelta)
    names = {each.__name__: each for each in here}
    vars(module).update(names)
    for package in (durable_http, durable_http.testing):
        vars(module).update({name: getattr(package, name) for name in package.__all__})
    for block in blocks(PAGE):
        exec(compile(block.text, f"{PAGE.name}, line {block.line}", "exec"), vars(module))
    return module


def test_the_function_of_the_readme_does_what_it_shows() -> None:
    """The whole function that README.md shows greets twice."""
    (whole,) = (b for b in blocks(ROOT / "README.md") if "def greet(" in b.text)
    module = ModuleType("greetings")
    exec(compile(whole.text, "README.md", "exec"), vars(module))

    assert run(module.greet, "Ada").result == ["Hello, Ada.", "Still there, Ada?"]


def test_its_test_passes(page: ModuleType) -> None:
    """The test that the page shows passes."""
    page.test_a_parcel_that_cannot_be_sent_is_paid_back()


def test_checkout_resolves(page: ModuleType) -> None:
    """The function with compensation has a result when nothing fails."""
    assert run(page.checkout, {"item": "tea", "cents": 5}).result == "r-5"


def test_waiting_again_for_a_name_gives_the_next_value(page: ModuleType) -> None:
    """Values come in order, early ones included."""
    values = ["tea", after(3600, "cups"), after(7200, None)]

    assert run(page.basket, signals={"item": values}).result == ["tea", "cups"]


def test_children_run_at_the_same_time(page: ModuleType) -> None:
    """The parent has the results of all children."""
    outcome = run(page.book, ["a", "bb", "ccc"])

    assert outcome.result == 6
    assert len(outcome.children) == 3


def test_a_step_that_is_canceled_stops_early(page: ModuleType) -> None:
    """The long step asks before each page."""
    answers = iter([False, True])
    step: Any = type("Canceled", (), {"canceled": lambda _: next(answers)})()

    assert page.convert(step, ["a", "bb"]) == 1


def test_a_change_runs_for_new_executions_only(page: ModuleType) -> None:
    """An execution that was begun before the change goes on without the new step."""

    @function(name="invoice", signals=["paid"])
    def before(context: Any) -> Any:
        texts = [(yield context.step(write, "en"))]
        yield context.signal("paid", timeout=timedelta(days=30))
        return texts

    kept = History.from_json(run(before, stop_at="signal paid").history.to_json())
    old = run(page.invoice, history=kept, signals={"paid": [None]})
    new = run(page.invoice, signals={"paid": [None]})

    assert old.result == ["in en"]
    assert new.result == ["in fr", "in en"]


def test_it_names_all_that_can_be_imported() -> None:
    """The page names each class and function of both packages, and each option of a test."""
    words = set(re.findall(r"\w+", PAGE.read_text()))
    named = {
        *durable_http.__all__,
        *(name for name in durable_http.testing.__all__ if name != "Scenario"),
        *Scenario.__annotations__,
    }

    assert named - words == set()
