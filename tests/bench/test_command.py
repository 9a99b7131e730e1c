"""`python -m bench`: its record, the page that is made from it, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import record as records
from bench.report.document import write_document
from tests.support.processes import ROOT, wait_until

if TYPE_CHECKING:
    from bench.record import Record


def bench(*arguments: str, temporary: Path) -> subprocess.Popen[str]:
    """Start a benchmark whose temporary files are in a folder of the test's."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(name="smallest", scope="module")
def _smallest(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return the record of the smallest run: the server and aiohttp, a tenth of a second each."""
    folder = tmp_path_factory.mktemp("bench")
    file = folder / "record.json"
    options = ["--rounds=1", "--seconds=0.1", f"--out={file}", "--subjects", "server", "aiohttp"]
    process = bench("begin", "wait", *options, temporary=folder)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    return records.read(file)


def test_a_run_records_every_case_with_rates_cpu_and_calls(smallest: Record) -> None:
    """The record has the figures of each subject, and says on what they were measured."""
    assert smallest.failures == []
    assert smallest.cases() == {
        ("begin", "unique"): ["server", "aiohttp"],
        ("begin", "duplicate"): ["server", "aiohttp"],
        ("wait", "finished"): ["server", "aiohttp"],
    }
    for sample in smallest.samples:
        assert sample.values["rate"] > 0
        assert 0 < sample.values["p50_ms"] <= sample.values["p99_ms"] <= sample.values["p999_ms"]
        assert sample.values["failed"] == 0
    assert smallest.median("begin", "server", "unique", "calls_CreatePromise") == pytest.approx(
        1, abs=0.3
    )
    assert smallest.machine.cores >= 1
    assert smallest.versions["resonate-server"].startswith("0.8.")


def test_the_page_shows_what_was_measured_and_what_was_not(
    smallest: Record, tmp_path: Path
) -> None:
    """Figures of the record are in tables and plots, and a goal without figures says so."""
    page = write_document(smallest, "record.json", tmp_path).read_text()

    assert "| unique | server |" in page
    assert "not measured" in page
    assert "](performance/begins.svg)" in page
    assert "<svg" in (tmp_path / "performance" / "begins.svg").read_text()


def test_the_same_record_makes_the_same_page(smallest: Record, tmp_path: Path) -> None:
    """The page and its plots depend on nothing but the record."""
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        write_document(smallest, "record.json", tmp_path / folder)

    for file in (tmp_path / "one").rglob("*.*"):
        other = tmp_path / "other" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes()


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    """Its name is in the message, with those that there are."""
    process = bench("begins", temporary=tmp_path)
    printed, _ = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "there is no begins but begin, " in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind_when_it_is_interrupted(tmp_path: Path, number: int) -> None:
    """Its processes and its folders go with it; what it has measured is in its record."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    file = tmp_path / "record.json"
    options = ["--seconds=60", f"--out={file}", "--subjects", "ours"]
    process = bench("wait", *options, temporary=temporary)
    # The server, a gateway and three workers.
    started = wait_until(lambda: pids if len(pids := children(process.pid)) >= 5 else None)
    assert started is not None

    process.send_signal(number)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert list(temporary.iterdir()) == []
    assert records.read(file).failures == []


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
