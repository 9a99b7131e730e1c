"""The files for probes, and whether a worker takes failing renewals for its own fault."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from shared.settings import ServerSettings
from tests.support.processes import wait_until
from tests.support.scripted_server import ERROR, Answer, serving
from worker import health
from worker.health import HealthFiles, RenewalCheck
from worker.tasks.board import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.scripted_server import ScriptedServer

LEASE: Final = 0.4
"""Seconds that a worker waits, and that the server must answer."""

LONG: Final = 4 * LEASE
"""Seconds after which a fault would have been found."""

RENEWED: Final = Answer(body=b'{"tasksAffected":0}')
REFUSED: Final = Answer(403, ERROR)
TROUBLED: Final = Answer(500, ERROR)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BLIND_SECONDS", LEASE)
    monkeypatch.setattr(health, "PROOF_SECONDS", LEASE)
    monkeypatch.setattr(health, "LOOK_SECONDS", 0.05)


@pytest.fixture(name="board")
def _board() -> Board:
    board = Board()
    board.held = 1
    return board


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with serving(RENEWED) as server:
        yield server


def check_at(port: int, board: Board) -> RenewalCheck:
    """Return a check that asks the server at a port."""
    return RenewalCheck(ServerSettings("http://127.0.0.1", port), "pid", board, LEASE)


def assert_sound(check: RenewalCheck, also: Callable[[], object] = lambda: None) -> None:
    """Assert that no fault is found for a long time; `also` is called again and again."""
    end = time.monotonic() + LONG
    faults = []

    def is_over() -> bool:
        faults.append(check.fault())
        also()
        return time.monotonic() > end

    wait_until(is_over)
    assert set(faults) == {None}


@pytest.mark.parametrize("answer", [RENEWED, REFUSED], ids=["renewed", "refused"])
def test_a_server_that_answers_leaves_the_fault_here(
    server: ScriptedServer, board: Board, answer: Answer
) -> None:
    """Each look has a connection of its own, and the fault needs looks for its whole time."""
    server.answers = [answer]
    check = check_at(server.server_port, board)

    fault = wait_until(check.fault, what="the fault")

    assert "and the server answers" in str(fault)
    assert {request.path for request in server.requests} == {"/tasks/heartbeat"}
    assert len(set(server.connections)) == len(server.requests) >= 3


def test_a_server_that_is_away_is_no_fault_here(closed_port: int, board: Board) -> None:
    """While nobody listens a worker goes on, however long that lasts."""
    assert_sound(check_at(closed_port, board))


def test_a_server_that_is_silent_is_no_fault_here(silent_port: int, board: Board) -> None:
    """A frozen server accepts connections all the same."""
    assert_sound(check_at(silent_port, board))


@pytest.mark.parametrize("answers", [[TROUBLED], [RENEWED, TROUBLED] * 100])
def test_a_server_in_trouble_is_no_fault_here(
    server: ScriptedServer, board: Board, answers: list[Answer]
) -> None:
    """A server whose database is gone answers, with an error, at least now and then."""
    server.answers = answers

    assert_sound(check_at(server.server_port, board))
    assert len(server.requests) > 3


def test_claims_that_are_renewed_are_no_fault(server: ScriptedServer, board: Board) -> None:
    """One renewal within the patience is enough, and no look is made."""

    def renew() -> None:
        if time.monotonic() - board.renewed_at > LEASE / 2:
            board.renewed(time.monotonic(), time.monotonic(), LEASE)

    assert_sound(check_at(server.server_port, board), renew)
    assert not server.requests


def test_a_worker_without_claims_has_no_fault(server: ScriptedServer, board: Board) -> None:
    """Nothing is renewed while nothing is held."""
    board.held = 0

    assert_sound(check_at(server.server_port, board))


def test_claims_that_are_lost_and_taken_count_in_sum(server: ScriptedServer, board: Board) -> None:
    """A worker that cannot renew loses its claims, and takes others: still it is at fault."""
    check = check_at(server.server_port, board)

    def fault() -> str | None:
        board.held = 1 - board.held
        return check.fault()

    assert wait_until(fault, what="the fault")


def test_an_outage_that_ends_is_no_fault(
    server: ScriptedServer, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renewer may be the last to notice that the server is back."""
    monkeypatch.setattr(health, "PROOF_SECONDS", 60.0)
    server.answers = [TROUBLED]
    check = check_at(server.server_port, board)
    assert_sound(check)

    server.answers = [RENEWED]
    seen = len(server.requests)
    wait_until(lambda: check.fault() or len(server.requests) > seen + 1, what="looks")
    assert check.fault() is None
    board.renewed(time.monotonic(), time.monotonic(), LEASE)

    assert check.fault() is None


def test_files_that_cannot_be_written_end_no_worker(tmp_path: Path) -> None:
    """The probes see it; the log says why, once for each file."""
    with capture_logs() as logs:
        files = HealthFiles(str(tmp_path / "none" / "alive"), str(tmp_path / "none" / "ready"))
        for _ in range(3):
            files.show(ready=True)

    assert [(line["event"], line["file"].rpartition("/")[2]) for line in logs] == [
        ("health file not written", "alive"),
        ("health file not written", "ready"),
    ]


def test_no_files_are_needed() -> None:
    """Without the settings nothing is written."""
    files = HealthFiles("", "")
    files.show(ready=True)
    files.show(ready=False)
