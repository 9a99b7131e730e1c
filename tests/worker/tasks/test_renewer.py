"""The renewer renews for a worker that lives, and for no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from shared.resonate.tasks import Tasks
from shared.resonate.transport import Transport, Unanswered
from shared.settings import ServerSettings
from tests.support.processes import wait_until
from worker.tasks.board import Board
from worker.tasks.renewer import SILENT_SECONDS, Order, Renewals, state_of
from worker.tasks.renewer_process import MOST_SHORT, RenewerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


class CountingTasks(Tasks):
    """Counts renewals, which fail while `away`."""

    def __init__(self) -> None:
        super().__init__(Transport(ServerSettings(), attempt=1, budget=0))
        self.renewals = 0
        self.away = False

    def heartbeat(self, pid: str) -> int:  # noqa: ARG002 - the protocol
        self.renewals += 1
        if self.away:
            raise Unanswered("away")
        return 1


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that sleeps until the block ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_board_is_shared() -> None:
    """What one process writes on the board another one reads."""
    ours = Board()
    theirs = Board(os.dup(ours.fd))

    ours.held = 3
    ours.beat()
    theirs.renewed(10.0, 10.1, 2.0)
    theirs.failed("no\udce9 answer")

    assert (theirs.held, theirs.beats) == (3, 1)
    assert (ours.renewed_at, ours.unbroken_since) == (10.0, 10.1)
    assert (ours.failures, ours.reason) == (1, "no? answer")


def test_a_gap_of_a_lease_breaks_the_chain() -> None:
    """Renewals less than a lease apart are one chain; a longer gap begins another."""
    board = Board()
    for at in (10.0, 11.0, 12.9):
        board.renewed(at, at, 2.0)
    assert board.unbroken_since == 10.0

    board.renewed(13.5, 14.9, 2.0)

    assert (board.unbroken_since, board.renewed_at) == (14.9, 13.5)


@pytest.mark.parametrize(
    ("state", "held", "renewals"),
    [("R", 1, 1), ("S", 1, 1), ("D", 1, 1), ("T", 1, 0), ("t", 1, 0), ("Z", 1, 0), ("S", 0, 0)],
)
def test_a_worker_that_lives_is_renewed(state: str, held: int, renewals: int) -> None:
    """A worker is renewed while it is neither stopped nor gone, and holds something."""
    board, tasks = Board(), CountingTasks()
    board.held = held

    Renewals(tasks, "pid-1", board, 2.0).turn(state)

    assert tasks.renewals == renewals


def test_a_worker_whose_threads_do_not_run_is_let_go() -> None:
    """A worker that is silent for a minute is renewed no more; while it is stopped, none counts."""
    board, tasks = Board(), CountingTasks()
    board.held = 1
    renewals = Renewals(tasks, "pid-1", board, 3.0)
    for _ in range(1000):
        renewals.turn("T")
    for _ in range(int(SILENT_SECONDS)):
        renewals.turn("S")
    assert not renewals.silent()

    renewals.turn("S")

    assert renewals.silent()
    assert tasks.renewals == int(SILENT_SECONDS)
    board.beat()
    renewals.turn("S")
    assert not renewals.silent()


def test_the_state_of_a_process() -> None:
    """A process that sleeps, is stopped or is gone shows it."""
    with sleeping() as child:
        wait_until(lambda: state_of(child.pid) == "S", what="sleep")
        child.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(child.pid) == "T", what="stop")
        child.kill()
        wait_until(lambda: state_of(child.pid) == "Z", what="end")
    assert state_of(child.pid) == "X"


def test_an_order_survives_its_way() -> None:
    """The order that the renewer reads is the one that was written."""
    order = Order(ServerSettings("http://a", 1, 2, "u", "p\n"), "pid", 7, 2.5, 3)

    assert Order.decode(order.encode()) == order


def test_a_renewer_that_dies_is_started_again(closed_port: int) -> None:
    """A renewer is replaced at once, which is counted; it ends with `close`."""
    board = Board()
    board.held = 1
    server = ServerSettings("http://127.0.0.1", closed_port)
    renewer = RenewerProcess(server, "pid-1", board, 0.3)
    assert not renewer.is_renewing()
    renewer.start()
    wait_until(lambda: board.failures, what="a renewal")
    assert renewer.is_renewing()
    child = renewer._child
    assert child is not None

    child.kill()
    wait_until(lambda: renewer._child is not child, what="the next one")
    before = board.failures
    wait_until(lambda: board.failures > before, what="its renewal")
    after = renewer._child
    assert after is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        after.send_signal(number)
    before = board.failures
    wait_until(lambda: board.failures > before + 1, what="renewals after signals")
    assert (renewer.restarts, renewer.failed()) == (1, False)

    renewer.close()
    assert after.wait(5) == 0
    renewer._thread.join(5)
    assert not renewer.is_alive()


def test_a_renewer_that_cannot_be_started_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it ends at once again and again the worker is at fault."""
    monkeypatch.setattr("worker.tasks.renewer_process.MODULE", "no.such.module")
    renewer = RenewerProcess(ServerSettings(), "pid-1", Board(), 2.0)
    renewer.start()

    wait_until(renewer.failed, what="the fault")

    assert renewer.restarts == MOST_SHORT + 1
    assert renewer.is_alive()
    assert not renewer.is_renewing()
    renewer.close()


def test_the_renewer_ends_with_its_worker(closed_port: int) -> None:
    """A worker that is killed takes its renewer with it."""
    code = (
        "import time\n"
        "from shared.settings import ServerSettings\n"
        "from worker.tasks.board import Board\n"
        "from worker.tasks.renewer_process import RenewerProcess\n"
        f"server = ServerSettings('http://127.0.0.1', {closed_port})\n"
        "renewer = RenewerProcess(server, 'p', Board(), 2)\n"
        "renewer.start()\n"
        "while renewer._child is None: time.sleep(0.01)\n"
        "print(renewer._child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    renewer = int(worker.stdout.readline())
    wait_until(lambda: state_of(renewer) in "RSD", what="its start")

    worker.kill()
    worker.wait()
    worker.stdout.close()

    wait_until(lambda: state_of(renewer) in "XZ", what="its end")
