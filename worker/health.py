"""What an orchestrator can know of this worker, and whether a failure is this worker's own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused, Transport, Unanswered
from worker.tasks.board import RENEWALS_PER_LEASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.settings import ServerSettings
    from worker.tasks.board import Board

BLIND_SECONDS: Final = 120.0
"""Seconds (or one lease, if that is longer) that a worker holds claims, in sum, without an
acknowledged renewal before it looks whether the fault is its own."""

LONGEST_STEP: Final = 1.0
"""Seconds that count at most between two checks: this process may have been stopped meanwhile."""

PROOF_SECONDS: Final = 10.0
"""Seconds (or one lease, if that is longer) for which the server must answer every look, so that
the renewer had several tries meanwhile: after an outage it may be the last to notice its end."""

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks."""


class HealthFiles:
    """Files for the probes of an orchestrator; a name that is empty stands for no file.

    `alive` is touched while the worker is sound, whether the server answers or not. `ready` is
    touched while the server can offer tasks to the worker, and does not exist while it cannot: a
    probe may ask for its age, or only whether it exists.
    """

    def __init__(self, alive: str, ready: str) -> None:
        self._alive = Path(alive) if alive else None
        self._ready = Path(ready) if ready else None
        self._failed: set[Path] = set()
        self._log = get_logger()
        self.show(ready=False)  # a killed process may have left the file

    def show(self, *, ready: bool) -> None:
        """Touch or remove the files of a sound worker. Failures are logged: the probes see them."""
        if self._alive is not None:
            self._try(self._alive, self._alive.touch)
        if self._ready is not None:
            ready_file = self._ready
            self._try(
                ready_file,
                ready_file.touch if ready else lambda: ready_file.unlink(missing_ok=True),
            )

    def _try(self, path: Path, change: Callable[[], None]) -> None:
        try:
            change()
        except OSError as error:
            if path not in self._failed:
                self._log.error("health file not written", file=str(path), reason=str(error))
            self._failed.add(path)
        else:
            self._failed.discard(path)


class RenewalCheck:
    """Tells whether leases are not renewed by a fault of this worker, or because of the server.

    1. At 10:00 the last lease was renewed. At 10:02, if claims were held all the time, this process
       begins to make the renewer's call itself, once a second, each time on a new connection.
    2. Nobody listens, or the answer is late or an error: the server is away. A new worker would do
       no better, so this one goes on.
    3. The server is back, and the renewer notices: all is well.
    4. The server has answered for ten seconds, and the renewer has not: the fault is here.
    """

    def __init__(self, server: ServerSettings, pid: str, board: Board, lease: float) -> None:
        self._server = server
        self._pid = pid
        self._board = board
        self._renewed_at = board.renewed_at
        self._checked_at = time.monotonic()
        self._held_seconds = 0.0
        self._attempt = lease / RENEWALS_PER_LEASE
        self._patience = max(BLIND_SECONDS, lease)
        self._proof = max(PROOF_SECONDS, lease)
        self._answers: tuple[float, float] | None = None
        self._next_look = 0.0
        self._look_thread: threading.Thread | None = None

    def fault(self) -> str | None:
        """Return what is wrong here, or None; to be called again and again.

        Does not wait: looks are made in a thread, since looking up a name can take long.
        """
        self._count()
        if self._held_seconds <= self._patience:
            self._answers = None
            return None
        looking = self._look_thread is not None and self._look_thread.is_alive()
        if not looking and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._look_thread = threading.Thread(target=self._look, name="look", daemon=True)
            self._look_thread.start()
        answers = self._answers
        if answers is None or answers[1] - answers[0] < self._proof:
            return None
        return f"no lease was renewed for {self._held_seconds:.0f} s, and the server answers"

    def _count(self) -> None:
        """Add up the time for which claims are held since the latest renewal.

        A claim that is not renewed is soon lost, and another one taken: the sum counts, not each.
        """
        now, renewed_at = time.monotonic(), self._board.renewed_at
        if renewed_at != self._renewed_at:
            self._renewed_at, self._held_seconds = renewed_at, 0.0
        elif self._board.held:
            self._held_seconds += min(now - self._checked_at, LONGEST_STEP)
        self._checked_at = now

    def _look(self) -> None:
        transport = Transport(self._server, attempt=self._attempt, budget=0)
        try:
            Tasks(transport).heartbeat(self._pid)
        except Unanswered:
            self._answers = None
            return
        except Refused:
            pass  # an answer as well, and a new process may have other credentials
        finally:
            transport.close()
        now = time.monotonic()
        first, _ = self._answers or (now, now)
        self._answers = first, now
