"""Runs processes under a supervisor until a signal, once all of them are ready."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from deploy.store import indexes
from tools.run.plan import die_with_parent, supervisor_configuration
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shared.processes.stop_signals import StopSignals
    from tools.run.output import Output
    from tools.run.plan import DataPaths, Program

type Stage = tuple[str, Callable[[], bool]]
"""What must be ready, in words, and whether it is."""

READY_SECONDS: Final = 60.0
"""Seconds from the start until all stages of one service must be ready."""


def prepare(processes: Iterable[Program], paths: DataPaths, output: Output) -> None:
    """Write the supervisor's configuration, and make the pipes of these processes."""
    listed = list(processes)
    for program in listed:
        output.add_pipe(program.name, paths.output(program.name))
        paths.pid(program.name).unlink(missing_ok=True)
    paths.supervisor.touch(mode=0o600)
    paths.supervisor.write_text(supervisor_configuration(listed, paths))


@contextlib.contextmanager
def supervised(
    paths: DataPaths, output: Output, signals: StopSignals
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the supervisor, and end it and all its processes when the block ends."""
    pipe, end = os.pipe()
    command = [sys.executable, "-m", "tools.run.supervise", "-c", str(paths.supervisor)]
    # In a session of its own, because supervisord restarts on SIGHUP: signals of the terminal reach
    # only us, and we send SIGTERM.
    supervisor = subprocess.Popen(
        die_with_parent(signal.SIGTERM, paths.pid("supervisor"), command),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.close(end)
    output.add("supervisor", pipe)
    output.start()
    try:
        yield supervisor
    finally:
        supervisor.terminate()
        while supervisor.poll() is None and not signals.hurry.wait(0.05):
            pass
        # Its processes end with it (die_with_parent).
        supervisor.kill()
        supervisor.wait()


def serve(  # noqa: PLR0913 - what it serves, and how
    supervisor: subprocess.Popen[bytes],
    signals: StopSignals,
    output: Output,
    stages: Iterable[Stage],
    shown: str,
    *,
    seconds: float = READY_SECONDS,
) -> int:
    """Wait until all stages are ready, print how to use the service, and wait for its end."""
    terminal = sys.stdout.isatty()

    def ended() -> bool:
        # When a terminal closes, only the leader of its session is sure to get SIGHUP. A shell
        # passes the signal on, `make` does not.
        closed = terminal and not sys.stdout.isatty()
        return signals.stop.is_set() or closed or supervisor.poll() is not None

    deadline = time.monotonic() + seconds
    for name, ready in stages:
        while not ended() and not ready():
            if time.monotonic() > deadline:
                output.log("not ready", reason=f"{name} did not answer for {seconds:g} s")
                return 1
            signals.stop.wait(0.03)
    if not ended():
        output.show(shown)
    while not ended():
        signals.stop.wait(0.5)
    if supervisor.poll() is not None:
        output.log("the supervisor ended", code=supervisor.returncode)
        return 1
    output.log("stopping", hint="press Ctrl-C again to stop without waiting for running steps")
    return 0


def answers(url: str) -> bool:
    """Return whether a URL is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def index(paths: DataPaths) -> bool:
    """Give the store its indexes, and return True."""
    indexes.apply(paths.database)
    return True
