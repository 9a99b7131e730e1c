"""`make deploy` calls docker in an order that keeps the catalog behind all workers."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCKER = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*" ps "*) printf '%s' "$SCALED" ;;
*"$FAILS"*) exit 1 ;;
esac
"""
"""Stands for docker: it writes down its arguments, and fails those that contain $FAILS."""


def deploy(folder: Path, scaled: str, fails: str = "nothing") -> tuple[int, list[str]]:
    """Return the exit code of `make deploy`, and what it has called after building."""
    docker, calls = folder / "docker", folder / "calls"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    done = subprocess.run(
        ["make", "deploy"],
        cwd=ROOT,
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "SCALED": scaled,
            "FAILS": fails,
        },
        capture_output=True,
        timeout=30,
        check=False,
    )
    ups = [line for line in calls.read_text().splitlines() if " up " in line]
    return done.returncode, [line.split(" up ", 1)[1] for line in ups]


@pytest.mark.parametrize(("scaled", "number"), [("", 0), ("4e1a\n", 1), ("4e1a\n07bf\n", 2)])
def test_scaled_workers_are_replaced_before_the_catalog(
    tmp_path: Path, scaled: str, number: int
) -> None:
    """Workers of `make scale` get the new image too, as many as there are."""
    code, ups = deploy(tmp_path, scaled)

    extra = [f"--no-build --no-deps --wait --scale worker={number} worker"] if number else []
    assert code == 0
    assert ups == [
        *(f"--no-build --no-deps --wait worker-{each}" for each in (1, 2, 3)),
        *extra,
        "--no-build --no-deps --detach catalog",
    ]


def test_the_catalog_stays_where_a_scaled_worker_does_not_start(tmp_path: Path) -> None:
    """Nothing begins that some workers do not know."""
    code, ups = deploy(tmp_path, "4e1a\n", fails="--scale worker=1")

    assert code != 0
    assert not [up for up in ups if "catalog" in up]
