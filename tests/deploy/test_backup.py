"""A backup of the store, taken while executions run, and a service that begins with it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.processes import ROOT, call, wait_until
from tests.support.stack import SHIPPED_MODULES, running_stack

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 6
STEPS = {"reserve", "charge", "pack", "ship", "notify"}


def copy(command: str, database: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """Take or put a backup as docs/operations.md says: the program by its path."""
    program = [sys.executable, "-I", str(ROOT / "deploy/store/backup.py"), command, str(database)]
    with file.open("wb" if command == "take" else "rb") as stream:
        source, target = (None, stream) if command == "take" else (stream, None)
        return subprocess.run(
            program, stdin=source, stdout=target, stderr=subprocess.PIPE, text=True, check=False
        )


def test_executions_of_a_backup_end_and_later_ones_are_unknown(tmp_path: Path) -> None:
    """Steps whose results are in the backup do not run again; a running store is not replaced."""
    before, after, backup = tmp_path / "before", tmp_path / "after", tmp_path / "backup.db"
    before.mkdir()
    after.mkdir()
    ids = [f"order-{number}" for number in range(COUNT)]
    with running_stack(before, workers=1, modules=SHIPPED_MODULES) as stack:
        for id in ids:
            assert stack.begin(id, "checkout", {"pace": 0.2}).status == 202
        wait_until(
            lambda: all("charge" in {s for _, s in stack.starts(id)} for id in ids),
            what="second step of all executions",
        )
        assert copy("take", stack.server.database, backup).returncode == 0
        assert stack.begin("later", "checkout", {"pace": 0}).status == 202
        assert stack.outcome("later")["status"] == "resolved"
        refused = copy("put", stack.server.database, backup)
        assert refused.returncode == 1, "a server runs"
        assert "locked" in refused.stderr
        assert stack.state("later")["done"]

    assert copy("put", after / "resonate.db", backup).returncode == 0
    with running_stack(after, workers=1, modules=SHIPPED_MODULES) as stack:
        assert call(f"{stack.url}/wait?id=later").status == 404
        for id in ids:
            ended = stack.outcome(id)
            assert ended["status"] == "resolved", ended
            assert ended["result"]["order"] == id
            assert set(ended["result"]["receipts"]) == STEPS
            # The first step's result was stored before the backup, the last one's was not.
            started = {step for _, step in stack.starts(id)}
            assert "reserve" not in started
            assert "notify" in started
        assert stack.begin("later", "checkout", {"pace": 0}).status == 202
        assert stack.outcome("later")["status"] == "resolved"


def test_what_is_no_backup_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """Neither a damaged file nor an empty one takes its place, and nothing is left behind."""
    store, broken = tmp_path / "resonate.db", tmp_path / "broken.db"
    store.write_bytes(b"")
    broken.write_bytes(b"no database" * 1000)
    assert copy("put", store, broken).returncode == 1
    broken.write_bytes(b"")  # a pipe that brought nothing
    assert copy("put", store, broken).returncode == 1
    assert store.read_bytes() == b""
    assert {path.name for path in tmp_path.iterdir()} == {"resonate.db", "broken.db"}
