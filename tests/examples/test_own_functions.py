"""The example of a repository of functions."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.support.processes import ROOT
from tests.support.wheel import build_wheel, install, run

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "examples" / "own-functions"


def test_its_tests_need_no_more_than_the_wheel_and_pytest(tmp_path: Path) -> None:
    """The tests of the example pass in an environment of its own, outside this repository."""
    python = install(build_wheel(tmp_path / "dist"), tmp_path / "environment", "pytest")
    copy = shutil.copytree(FOLDER, tmp_path / "orders", ignore=shutil.ignore_patterns(".*", "__*"))

    output = run(python, "-m", "pytest", "-p", "no:cacheprovider", cwd=copy)

    assert " passed" in output
    assert " failed" not in output


def test_its_dockerfile_says_what_must_be_said() -> None:
    """A user's whole Dockerfile has three lines."""
    assert len((FOLDER / "Dockerfile").read_text().splitlines()) == 3
