"""`make cells N=2`: two real cells behind HAProxy, on free ports, with a data folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from gateway.cells.hash_slots import number_of
from tests.support.cell.guards import needs_haproxy
from tests.support.ports import consecutive_ports, free_port
from tests.support.processes import ROOT, call, wait_until
from tests.support.server import binary

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES: Final = (
    *(f"{cell}-{name}" for cell in "ab" for name in ("server", "gateway", "worker-1", "worker-2")),
    "haproxy",
)


@pytest.fixture(name="environment")
def _environment() -> Iterator[dict[str, str]]:
    # A short path: HAProxy's socket lies in it, whose path may have 107 bytes.
    data = Path(tempfile.mkdtemp(prefix="cells-"))
    yield {
        "PATH": os.environ["PATH"],
        "RESONATE_SERVER_BIN": str(binary()),
        "DATA_DIR": str(data),
        "GATEWAY_PORT": str(free_port()),
        "CELLS_PORT": str(consecutive_ports(20)),
    }
    shutil.rmtree(data)


def cells(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the tool, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tools.cells", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_haproxy
def test_cells_run_and_a_hash_slot_moves(environment: dict[str, str], job: str) -> None:
    """What is printed works, a move too; SIGINT ends every process and keeps the data."""
    data = Path(environment["DATA_DIR"]) / "cells"
    url = f"http://127.0.0.1:{environment['GATEWAY_PORT']}"
    log = data.parent / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "tools.cells", "run", "2"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: b"Ready: " in log.read_bytes(), seconds=90, what="the start")
        pids = [int((data / f"{name}.pid").read_text()) for name in PROCESSES]
        assert call(f"{url}/begin?id={job}", "POST", {"foo": "hello"}).status == 202
        wait_until(lambda: call(f"{url}/wait?id={job}").body["done"], what="its end")
        slot, owner = number_of(job), "ab"[number_of(job) // 32]
        other = "ba"["ab".index(owner)]
        moved = cells(environment, "move", "--slot", str(slot), "--to", other)
        assert (moved.returncode, moved.stderr) == (0, "")
        shown = cells(environment, "show").stdout
        assert shown.count("generation 3") == 3
        assert f"{slot} {other}" in (data / "slots.map").read_text().splitlines()
        assert call(f"{url}/wait?id={job}").body["done"]
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()

    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert all((data / cell / "resonate.db").exists() for cell in "ab")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CELLS_PORT": "70000"}, "CELLS_PORT must be a TCP port up to"),
        ({"PATH": "/nowhere"}, "HAProxy 2.6 or newer is needed"),
        ({"GATEWAY_PROCESSES": "8"}, "GATEWAY_PROCESSES may be 7 at most here"),
    ],
)
def test_what_cannot_start_says_why(
    environment: dict[str, str], variables: dict[str, str], words: str
) -> None:
    """One line, and exit code 1."""
    if "PATH" not in variables and shutil.which("haproxy") is None:
        pytest.skip("HAProxy is not installed: apt-get install haproxy")

    done = cells({**environment, **variables}, "run", "2")

    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
