"""Executions whose store was set back to a backup, while workers and gateways lived on."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shared.ids import signal_id
from shared.resonate.tasks import TaskState
from tests.support.clients.streams import read_stream
from tests.support.flows import deploy, module, result
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server
    from tests.support.stack import Stack

TWO_WAITS = """
    go = yield context.signal("go", timeout=300)
    seen = yield context.step(echo, go, name="see")
    end = yield context.signal("end", timeout=300)
    return [go, seen, end]
"""

FOUR_VALUES = """
    values = []
    for _ in range(4):
        values.append((yield context.signal("next", timeout=300)))
    return values
"""


class Backup:
    """A copy of a server's store. The server is killed and started again for both directions."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self._directory = directory
        directory.mkdir()
        self._copied(server.directory, directory)

    def restore(self) -> None:
        self._copied(self._directory, self._server.directory)

    def _copied(self, source: Path, target: Path) -> None:
        self._server.kill()
        for file in target.glob("resonate.db*"):
            file.unlink()
        for file in source.glob("resonate.db*"):
            shutil.copy(file, target)
        self._server.start()


def waits_for(stack: Stack, id: str, name: str, number: int) -> None:
    """Wait until the function waits for this value of a signal, and its worker has let it go.

    A call of the worker that is on its way while the store is set back would be for the other one.
    """
    with stack.store() as store:
        pattern = signal_id(id, name, number)
        wait_until(lambda: store.promises.search(pattern, {})[0], what=f"the wait for {pattern}")
    claimed = "SELECT count(*) FROM tasks WHERE root_promise_id = ? AND completed_on IS NULL"
    with contextlib.closing(sqlite3.connect(stack.server.database, timeout=30)) as database:
        wait_until(
            lambda: database.execute(claimed, (id,)).fetchone() == (0,), what="the suspension"
        )


def test_a_worker_goes_on_from_what_was_restored(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """What a worker remembers from after the backup is no part of the execution any more."""

    def signal(name: str, value: int) -> None:
        id = f"{job}.signal.{name}"
        waits_for(bare_stack, job, name, 1)
        with bare_stack.store() as store:
            store.promises.resolve(id, ikey=id, data=f'"{value}"')

    deploy(bare_stack, "waiting", tmp_path, module({"flow": TWO_WAITS}))
    bare_stack.create(job, "flow", seconds=300)
    bare_stack.suspended(job)
    backup = Backup(bare_stack.server, tmp_path / "backup")
    signal("go", 1)
    resumed = f"__resume:{job}:{job}.signal.go"
    with bare_stack.store() as store:
        over = TaskState.OVER
        wait_until(lambda: store.tasks.state(resumed) is over, what="the second suspension")

    backup.restore()
    signal("go", 2)
    signal("end", 3)

    assert result(bare_stack, job) == [2, 2, 3]


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("sent", [(0, 1), (0, 3), (2, 1)])
def test_signals_take_the_numbers_that_the_store_has_left(
    bare_stack: Stack, tmp_path: Path, job: str, sent: tuple[int, int], *, keyed: bool
) -> None:
    """A value whose delivery was answered after the restore reaches the function.

    The gateway has seen values of higher numbers, which the store does not have any more. With
    their keys they are sent again.
    """
    before, lost = sent
    deploy(bare_stack, "waiting", tmp_path, module({"flow": FOUR_VALUES}))
    bare_stack.create(job, "flow", seconds=300)

    def send(values: range) -> list[int]:
        numbers = []
        for value in values:
            key = {"Idempotency-Key": f"key-{value}"} if keyed else {}
            url = f"{bare_stack.url}/signal?id={job}&name=next"
            answer = call(url, "POST", value, headers=key)
            assert answer.status == 202, answer
            numbers.append(answer.body["number"])
        return numbers

    assert send(range(before)) == list(range(1, before + 1))
    waits_for(bare_stack, job, "next", before + 1)
    backup = Backup(bare_stack.server, tmp_path / "backup")
    assert send(range(10, 10 + lost)) == [before + n for n in range(1, lost + 1)]
    waits_for(bare_stack, job, "next", before + lost + 1)

    backup.restore()

    assert send(range(10, 14 - before)) == list(range(before + 1, 5))
    assert result(bare_stack, job) == [*range(before), *range(10, 14 - before)]


def test_an_end_that_was_undone_is_not_answered(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """Once the server is back, a gateway tells what the store says, also of what it saw end."""
    deploy(bare_stack, "waiting", tmp_path, module({"flow": TWO_WAITS}))
    bare_stack.create(job, "flow", seconds=300)
    waits_for(bare_stack, job, "go", 1)
    backup = Backup(bare_stack.server, tmp_path / "backup")
    for name in ("go", "end"):
        assert bare_stack.signal(job, 1, name).status == 202
    assert bare_stack.outcome(job)["result"] == [1, 1, 1]

    backup.restore()

    wait_until(lambda: not bare_stack.state(job)["done"], seconds=5, what="the state as it is")
    assert [wait["name"] for wait in bare_stack.state(job)["waiting_for"]] == ["go"]
    for name in ("go", "end"):
        assert bare_stack.signal(job, 2, name).status == 202
    assert bare_stack.outcome(job)["result"] == [2, 2, 2]


def test_a_stream_of_events_goes_on(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """A stream that is open shows what happens after the restore, and ends with the execution."""
    deploy(bare_stack, "waiting", tmp_path, module({"flow": TWO_WAITS}))
    bare_stack.create(job, "flow", seconds=300)
    waits_for(bare_stack, job, "go", 1)
    backup = Backup(bare_stack.server, tmp_path / "backup")
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(read_stream, f"{bare_stack.url}/events?id={job}")
        assert bare_stack.signal(job, 1, "go").status == 202
        waits_for(bare_stack, job, "end", 1)
        wait_until(lambda: len(bare_stack.starts(job)) == 1, what="the step")

        backup.restore()
        for name in ("go", "end"):
            assert bare_stack.signal(job, 2, name).status == 202
        events = stream.result(30).events

    assert (events[-1].name, events[-1].data["result"]) == ("done", [2, 2, 2])
    steps = [event.data["status"] for event in events if event.name == "step"]
    assert steps[-1] == "resolved"


def test_an_id_that_is_free_again(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """What was begun after the backup is unknown; its id can be begun anew, with other input."""
    bare_stack.add_worker("a")
    lost, again = f"{job}-lost", f"{job}-again"
    backup = Backup(bare_stack.server, tmp_path / "backup")
    for id in (lost, again):
        assert bare_stack.begin(id, "foo", 1).status == 202
        assert bare_stack.outcome(id)["status"] == "resolved"

    backup.restore()

    assert bare_stack.begin(again, "checkout", {"pace": 1}).status == 202
    assert not bare_stack.state(again)["done"]
    url = f"{bare_stack.url}/wait?id={lost}"
    wait_until(lambda: call(url).status == 404, seconds=5, what="the end of what is lost")
    assert bare_stack.outcome(again, 60)["function"] == "checkout"
