"""The worker's program: its catalog, and the starts that it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    type Done = subprocess.CompletedProcess[str]

ORDER = """
from durable_http import Step, function

@function(default_input={"a": 1})
def order(step: Step, given: object) -> str:
    "Order something."
    return step.name
"""


def worker(*arguments: str, **environment: str) -> Done:
    """Run the program to its end, which comes without a server."""
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(done: Done) -> str:
    """Return the one line with which a start was refused."""
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("\n")
    (line,) = done.stderr.splitlines()
    return line


def test_the_catalog_has_the_examples() -> None:
    """Without settings the catalog is that of the examples, of which one is the default."""
    done = worker("catalog")

    assert (done.returncode, done.stderr) == (0, "")
    found = orjson.loads(done.stdout)
    assert (found["format"], found["default"]) == (1, "foo")
    assert found["limits"] == {"step_timeout_seconds": 3600.0, "max_result_bytes": 1048576}
    names = [entry["name"] for entry in found["functions"]]
    assert names == sorted(names)
    assert {"foo", "checkout", "approval", "countdown", "fanout", "part"} <= set(names)


def test_the_catalog_is_that_of_the_users_functions(tmp_path: Path) -> None:
    """The catalog has the functions and the limits of the settings, and no default."""
    (tmp_path / "orders.py").write_text(ORDER)

    done = worker(
        "catalog",
        PYTHONPATH=str(tmp_path),
        WORKER_FUNCTIONS="orders",
        WORKER_STEP_TIMEOUT_SECONDS="0",
        MAX_RESULT_BYTES="2048",
    )

    assert (done.returncode, done.stderr) == (0, "")
    found = orjson.loads(done.stdout)
    assert found["default"] is None
    assert found["limits"] == {"step_timeout_seconds": None, "max_result_bytes": 2048}
    (entry,) = found["functions"]
    assert (entry["name"], entry["version"], entry["summary"]) == ("order", 1, "Order something.")
    assert entry["default_input"] == {"a": 1}


@pytest.mark.parametrize(
    "prints",
    [
        "print('hello')",
        "import os; os.write(1, b'hello\\n')",
        "import sys, os; print('hello', flush=True); sys.stdout = os.fdopen(os.dup(1), 'w')",
    ],
    ids=["prints", "writes", "keeps the output"],
)
def test_what_a_module_prints_is_not_in_the_catalog(tmp_path: Path, prints: str) -> None:
    """The output is a file that a gateway reads."""
    (tmp_path / "orders.py").write_text(f"{prints}\n{ORDER}")

    done = worker("catalog", PYTHONPATH=str(tmp_path), WORKER_FUNCTIONS="orders")

    assert (done.returncode, done.stderr) == (0, "hello\n")
    assert orjson.loads(done.stdout)["format"] == 1


def test_the_catalog_is_the_same_whatever_the_terminal_can_show(tmp_path: Path) -> None:
    """A summary may have any characters; a catalog is always UTF-8."""
    (tmp_path / "orders.py").write_text(ORDER.replace("something", "Gr\u00f6\u00dfe"))

    done = worker(
        "catalog",
        PYTHONPATH=str(tmp_path),
        WORKER_FUNCTIONS="orders",
        PYTHONIOENCODING="ascii",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert orjson.loads(done.stdout)["functions"][0]["summary"] == "Order Gr\u00f6\u00dfe."


def test_a_catalog_that_cannot_be_written_is_a_failure() -> None:
    """A full disk or a reader that is gone shows in the exit code, and in one line."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "worker", "catalog"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr == "worker: the catalog cannot be written: No space left on device\n"


@pytest.mark.parametrize("arguments", [["catalogue"], ["catalog", "x"], ["--help"]])
def test_other_arguments_are_refused(arguments: list[str]) -> None:
    """The line shows how the program is used."""
    assert refusal(worker(*arguments)) == "worker: usage: python -m worker [catalog]"


@pytest.mark.parametrize("arguments", [[], ["catalog"]], ids=["worker", "catalog"])
@pytest.mark.parametrize(
    ("source", "named", "fault"),
    [
        ("", "orders.py:flow", "must be modules like orders,billing.flows, got 'orders.py:flow'"),
        (
            "",
            "nothing",
            "there is no module nothing on Python's path; PYTHONPATH adds folders to it",
        ),
        ("", "orders", "orders declares no function; use @function"),
        ("\n1 / 0", "orders", "orders cannot be imported: ZeroDivisionError: division by zero ("),
        ("import sys; sys.exit()", "orders", "orders cannot be imported: SystemExit: "),
        (ORDER.replace("order(", "webhook("), "orders", "the name webhook is the service's own"),
    ],
    ids=["no module", "no such module", "no function", "an error", "an exit", "a name of ours"],
)
def test_functions_that_cannot_be_loaded_stop_the_start(
    tmp_path: Path, arguments: list[str], source: str, named: str, fault: str
) -> None:
    """The start ends with one line, which names the variable and what is wrong."""
    (tmp_path / "orders.py").write_text(source)

    line = refusal(worker(*arguments, PYTHONPATH=str(tmp_path), WORKER_FUNCTIONS=named))

    assert line.replace("WORKER_FUNCTIONS: ", "WORKER_FUNCTIONS ").startswith(
        f"worker: WORKER_FUNCTIONS {fault}"
    )


def test_every_fault_of_the_settings_has_a_line() -> None:
    """One start shows every variable at fault."""
    done = worker(WORKER_CONCURRENCY="0", WORKER_FUNCTIONS="a b")

    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [
        ["worker:", "WORKER_FUNCTIONS"],
        ["worker:", "WORKER_CONCURRENCY"],
    ]
