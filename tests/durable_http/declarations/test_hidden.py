"""Users' modules beside which the service, a library or Python has one of the same name."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = """
from durable_http import Context, Workflow, function
{line}

@function
def order(context: Context) -> Workflow[None]:
    yield context.sleep(1)
"""

CATALOG = """
import runpy, sys
sys.path.append(sys.argv.pop())
sys.argv[1:] = ["catalog"]
runpy.run_module("worker", run_name="__main__", alter_sys=True)
"""


def catalog(folder: Path) -> subprocess.CompletedProcess[str]:
    """Write the catalog of `orders` in a folder that is last on the path, as in the image."""
    return subprocess.run(
        [sys.executable, "-c", CATALOG, str(folder)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "WORKER_FUNCTIONS": "orders"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("shared.py", "import shared"),
        ("worker", ""),
        ("queue.py", "import queue"),
        ("orjson.py", "import orjson"),
    ],
)
def test_a_hidden_module_is_refused(tmp_path: Path, name: str, line: str) -> None:
    """A worker does not start with a module of which it would use another one's code."""
    path = tmp_path / name
    if path.suffix:
        path.write_text("RATE = 2\n")
    else:
        path.mkdir()
        (path / "__init__.py").write_text("")
    (tmp_path / "orders.py").write_text(ORDERS.format(line=line))

    done = catalog(tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"worker: WORKER_FUNCTIONS: {path} is hidden by ")
    assert done.stderr.endswith("; give it another name, or put it in a package\n")


def test_names_in_a_package_hide_nothing(tmp_path: Path) -> None:
    """In a package any name will do; so will that of a module that nobody imports."""
    package = tmp_path / "orders"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shared.py").write_text("RATE = 2\n")
    imports = "import billing.rates\nfrom orders.shared import RATE"
    (package / "flows.py").write_text(ORDERS.format(line=imports))
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "__main__.py").write_text("")  # what runs is the worker's own
    (tmp_path / "worker").mkdir()
    folder = tmp_path / "billing"  # a package without `__init__.py`
    folder.mkdir()
    (folder / "rates.py").write_text("")

    done = catalog(tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert '"order"' in done.stdout
