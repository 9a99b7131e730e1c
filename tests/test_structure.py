"""What holds for the source as a whole: what an import does, and how large things are."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT, run_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("durable_http", "gateway", "worker", "shared", "deploy", "tools", "bench", "examples")
LINES = {"file": 250, "class": 150, "function": 40}
TEST_FILE_LINES = 400
ENTRIES = 14
"""Files and folders of one folder, `__pycache__` not counted."""

EXCUSED = {
    "durable_http/declarations/definition.py: function function": "all that can be declared",
    "shared/resonate/store.py: class Promises": "the verbs of the SDK's protocol",
    "gateway": "a folder for each package of docs/architecture.md",
    "worker": "a folder for each package of docs/architecture.md",
    "tests": "a folder for each package",
    "tests/support": "a folder of helpers, not a package",
}

WATCH_OPENED = """
import sys
opened = []
def audit(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(arguments[0])
sys.addaudithook(audit)
import {module}
print("\\n".join(opened))
"""

LOADED = """
import sys
import {module}
print("\\n".join(sys.modules))
"""


def run(program: str) -> list[str]:
    """Return the lines that a program prints in an interpreter of its own."""
    done = run_program(program)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "module", ["body", "query", "answers.responses", "middleware", "auth", "server"]
)
def test_http_loads_nothing_of_executions(module: str) -> None:
    """A module of gateway.http loads neither the SDK nor any other package of the gateway."""
    loaded = run(LOADED.format(module=f"gateway.http.{module}"))

    packages = {name.split(".")[1] for name in loaded if name.startswith("gateway.")}
    assert packages <= {"http", "errors", "settings"}
    assert not [name for name in loaded if name.split(".")[0] in {"resonate", "worker"}]
    assert not [name for name in loaded if name.startswith("shared.resonate")]


def test_what_users_import_loads_nothing_of_the_service() -> None:
    """A user's tests and tools need neither the service's packages nor their libraries."""
    loaded = {name.partition(".")[0] for name in run(LOADED.format(module="durable_http"))}

    assert "durable_http" in loaded
    assert not loaded & {"worker", "gateway", "shared", "resonate", "structlog", "httpcore"}


@pytest.mark.parametrize("module", ["gateway.app", "gateway.__main__", "worker.runtime"])
def test_an_import_reads_no_data(module: str) -> None:
    """Importing a program reads nothing of ours but code, and no page of a package."""
    opened = run(WATCH_OPENED.format(module=module))

    code = (".py", ".pyc", ".so")
    ours = [path for path in opened if path.startswith(str(ROOT)) and ".venv" not in path]
    assert [path for path in ours if not path.endswith(code) and ".pyc." not in path] == []
    assert not [path for path in opened if "swagger" in path]


def test_an_import_makes_no_document() -> None:
    """The OpenAPI document is made when an application starts, not when it is imported."""
    program = (
        "import sys\n"
        "called = set()\n"
        "def profile(frame, event, _):\n"
        "    if event == 'call' and 'gateway/openapi' in frame.f_code.co_filename:\n"
        "        called.add(frame.f_code.co_name)\n"
        "sys.setprofile(profile)\n"
        "import gateway.app\n"
        "sys.setprofile(None)\n"
        "print(sorted(called & {'document', 'schemas', 'paths', 'error_responses', '_make'}))\n"
    )

    assert run(program) == ["[]"]


def sources() -> Iterator[Path]:
    """Yield every Python file of the project."""
    for package in (*PACKAGES, "tests"):
        yield from sorted((ROOT / package).rglob("*.py"))


def too_large(path: Path) -> Iterator[str]:
    """Yield what is too large in a file."""
    name = path.relative_to(ROOT)
    text = path.read_text()
    limit = TEST_FILE_LINES if name.parts[0] == "tests" else LINES["file"]
    if text.count("\n") > limit:
        yield str(name)
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ClassDef():
                kind = "class"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                kind = "function"
            case _:
                continue
        if (node.end_lineno or 0) - node.lineno + 1 > LINES[kind]:
            yield f"{name}: {kind} {node.name}"


def test_files_classes_and_functions_can_be_read_at_a_sitting() -> None:
    """Nothing is longer than its limit, unless a reason excuses it."""
    found = {each for path in sources() for each in too_large(path)}

    assert found - EXCUSED.keys() == set()


def test_folders_can_be_overlooked() -> None:
    """No folder has more entries than its limit, unless a reason excuses it."""
    folders = {path.parent for path in sources()}
    crowded = {
        str(folder.relative_to(ROOT))
        for folder in folders
        if sum(entry.name != "__pycache__" for entry in folder.iterdir()) > ENTRIES
    }

    assert crowded - EXCUSED.keys() == set()
