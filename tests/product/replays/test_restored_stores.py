"""Executions whose store was set back to a backup, while their workers lived on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from shared.resonate.tasks import TaskState
from tests.support.flows import deploy, module, result
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

TWO_WAITS = """
    go = yield context.signal("go", timeout=300)
    seen = yield context.step(echo, go, name="see")
    end = yield context.signal("end", timeout=300)
    return [go, seen, end]
"""


def test_a_worker_goes_on_from_what_was_restored(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """What a worker remembers from after the backup is no part of the execution any more."""

    def signal(name: str, value: int) -> None:
        id = f"{job}.signal.{name}"
        with bare_stack.store() as store:
            wait_until(lambda: store.promises.search(id, {})[0], what=f"the wait for {name}")
            store.promises.resolve(id, ikey=id, data=f'"{value}"')

    def copy(source: Path, target: Path) -> None:
        for file in target.glob("resonate.db*"):
            file.unlink()
        for file in source.glob("resonate.db*"):
            shutil.copy(file, target)

    server, backup = bare_stack.server, tmp_path / "backup"
    deploy(bare_stack, "waiting", tmp_path, module({"flow": TWO_WAITS}))
    bare_stack.create(job, "flow", seconds=300)
    bare_stack.suspended(job)
    backup.mkdir()
    server.kill()
    copy(server.directory, backup)
    server.start()
    signal("go", 1)
    resumed = f"__resume:{job}:{job}.signal.go"
    with bare_stack.store() as store:
        over = TaskState.OVER
        wait_until(lambda: store.tasks.state(resumed) is over, what="the second suspension")

    server.kill()
    copy(backup, server.directory)
    server.start()
    signal("go", 2)
    signal("end", 3)

    assert result(bare_stack, job) == [2, 2, 3]
