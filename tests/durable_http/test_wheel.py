"""The wheel: what it holds, what it needs, and that it works where nothing else is installed."""

from __future__ import annotations

import email
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT
from tests.support.wheel import build_wheel, install, run

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
from importlib.metadata import distributions

import durable_http
from durable_http import Context, Workflow, function
from durable_http.declarations.loading import load

@function(version=2)
def greet(context: Context, name: str) -> Workflow[str]:
    \"\"\"Greets.\"\"\"
    yield context.sleep(1)
    return f"Hello, {name}."

(definition,) = load([__name__])
print(definition.name, definition.version, definition.summary)
print(*sorted(each.name for each in distributions()))
print(*{name.split(".")[0] for name in sys.modules} & {
    "gateway", "worker", "shared", "tools", "resonate", "structlog", "aiohttp", "pytest"})
"""

RUN_PROGRAM = """
from durable_http import Context, Step, Workflow, function
from durable_http.testing import run

@function
def greet(context: Context, name: str) -> Workflow[str]:
    yield context.sleep(3600)
    return (yield context.step(say, name))

def say(step: Step, name: str) -> str:
    return f"Hello, {name}."

print(run(greet, "Ada").result)
"""


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(name="python", scope="module")
def _python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment in which only the wheel is installed."""
    return install(wheel, tmp_path_factory.mktemp("environment"))


def test_it_holds_what_users_import_and_its_types(wheel: Path) -> None:
    """The wheel has every file of `durable_http`, `py.typed` too, and none of the service."""
    package = ROOT / "durable_http"
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    held = {name for name in names if ".dist-info/" not in name}

    assert held == ours
    assert "durable_http/py.typed" in held
    assert any(name.endswith("/LICENSE") for name in names)


def test_it_needs_two_libraries(wheel: Path) -> None:
    """It is for any machine with Python 3.13 or later, and needs msgspec and orjson only."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = email.message_from_bytes(archive.read(path))

    needed = [each.split(">")[0] for each in metadata.get_all("Requires-Dist", [])]
    assert wheel.name == f"durable_http-{metadata['Version']}-py3-none-any.whl"
    assert metadata["Requires-Python"] == ">=3.13"
    assert sorted(needed) == ["msgspec", "orjson"]


def test_it_works_where_nothing_else_is_installed(python: Path, tmp_path: Path) -> None:
    """A function is declared and found; nothing of the service is imported."""
    lines = run(python, "-c", PROGRAM, cwd=tmp_path).splitlines()

    assert lines == ["greet 2 Greets.", "durable-http msgspec orjson", ""]


def test_functions_are_tested_with_it(python: Path, tmp_path: Path) -> None:
    """The wheel alone runs a function in memory."""
    assert run(python, "-c", RUN_PROGRAM, cwd=tmp_path) == "Hello, Ada.\n"
