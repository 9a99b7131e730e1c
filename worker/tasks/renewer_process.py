"""Starts a worker's renewer, and starts it again if it ends before the worker does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from worker.tasks.renewer import Order

if TYPE_CHECKING:
    from shared.settings import ServerSettings
    from worker.tasks.board import Board

ROOT: Final = Path(__file__).parents[2]
MODULE: Final = "worker.tasks.renewer"

SHORT_SECONDS: Final = 2.0
"""Seconds within which a renewer that ends counts as one that could not be started."""

MOST_SHORT: Final = 5
"""Renewers in a row that could not be started: with more of them the worker is at fault."""


class RenewerProcess:
    """The renewer of this process: one at a time, until `close`."""

    def __init__(self, server: ServerSettings, pid: str, board: Board, lease: float) -> None:
        self._order = Order(server, pid, os.getpid(), lease, board.fd)
        self._board = board
        self._closed = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._short = 0
        self.restarts = 0
        # The kernel ends the renewer with the thread that has started it, so this one starts all.
        self._thread = threading.Thread(target=self._run, name="renewer", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Let the renewer end."""
        self._closed.set()
        self._hang_up(self._child)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def is_renewing(self) -> bool:
        """Return whether a renewer runs and has read its order: claims are renewed from now on."""
        return self._board.renewer != 0

    def failed(self) -> bool:
        """Return whether the renewer cannot be started, so that no lease is renewed any more."""
        return self._short > MOST_SHORT

    def _run(self) -> None:
        while not self._closed.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._closed.is_set():
                return
            self.restarts += 1
            short = time.monotonic() - began < SHORT_SECONDS
            self._short = self._short + 1 if short else 0
            if self.failed():
                self._closed.wait()
            self._log.warning("renewer ended", code=code, restarts=self.restarts)

    def _run_once(self) -> int | None:
        """Run a renewer until it ends; return its exit code, None if there was none."""
        try:
            child = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", MODULE],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=(self._order.board,),
            )
        except OSError as error:
            self._log.error("renewer not started", reason=str(error))
            return None
        self._child = child
        with contextlib.suppress(OSError):
            if child.stdin is not None:
                child.stdin.write(self._order.encode())
                child.stdin.flush()
        if self._closed.is_set():
            self._hang_up(child)
        code = child.wait()
        self._board.renewer = 0
        self._hang_up(child)
        return code

    def _hang_up(self, child: subprocess.Popen[bytes] | None) -> None:
        """Close the pipe whose end is the renewer's."""
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()
