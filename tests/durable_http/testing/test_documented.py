"""The examples that the package shows."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import durable_http.testing
from durable_http import Step, function
from durable_http.testing import run
from durable_http.testing.running import Scenario
from tests.support.processes import run_program

if TYPE_CHECKING:
    import pytest

    from durable_http import Context, Workflow


def charge(step: Step, total: int) -> str:
    """Charge for real, which no test does."""
    raise AssertionError(total)


@function(name="documented-order")
def order(context: Context, data: dict[str, int]) -> Workflow[Any]:
    """Charge an order that is approved."""
    if not (yield context.signal("approval", timeout=timedelta(days=7))):
        return None
    return {"receipt": (yield context.step(charge, data["total"]))}


def test_the_examples_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of the package's docstring passes as it stands."""
    lines = str(durable_http.testing.__doc__).splitlines(keepends=True)
    code = textwrap.dedent("".join(line for line in lines if line[:4].isspace()))
    names: dict[str, Any] = {"order": order, "charge": charge, **vars(durable_http.testing)}
    names |= {"Path": Path, "timedelta": timedelta, "Step": Step}
    exec(code, names)
    examples = [value for name, value in names.items() if name.startswith("test_")]
    assert len(examples) == 3

    monkeypatch.chdir(tmp_path)
    old = run(order, {"total": 5}, stop_at="signal approval")
    Path("order-1.json").write_text(old.history.to_json())
    for example in examples:
        example()


def test_every_option_is_described() -> None:
    """The docstring of `Scenario` names each option."""
    assert all(f"`{name}`" in str(Scenario.__doc__) for name in Scenario.__annotations__)


def test_it_needs_neither_pytest_nor_the_server() -> None:
    """The package imports the standard library, msgspec and orjson."""
    done = run_program("import sys, durable_http.testing\nprint(*sys.modules)")

    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"durable_http", "gateway", "pytest", "resonate", "shared", "worker"} == {
        "durable_http"
    }
