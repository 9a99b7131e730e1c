"""Starts the service, waits until it is ready, and ends all processes on a signal."""

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
from shared.processes.stop_signals import StopSignals
from tools import server
from tools.api import Api
from tools.run import checks
from tools.run.catalog import write_catalog
from tools.run.output import Output
from tools.run.plan import (
    WORKERS,
    DataPaths,
    Ports,
    data_directory,
    die_with_parent,
    own_environment,
    programs,
    supervisor_configuration,
)
from tools.run.usage import usage
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

READY_SECONDS: Final = 60.0
"""Seconds from the start until the workers must be ready."""


def run(environment: Mapping[str, str]) -> int:
    """Return the exit code: 0 after a signal, 1 if the start failed or the supervisor ended."""
    paths = DataPaths(data_directory(environment))
    try:
        ports = Ports.of(environment)
        settings = checks.check_settings(environment)
        lock = checks.take_lock(paths)
    except ValueError as error:
        raise checks.NotStartedError(str(error)) from None
    with lock:
        checks.check_ports(ports)
        chosen = environment.get("GATEWAY_PRESENCE_PORT", "").strip()
        presence_port = checks.presence_port(ports, settings, is_chosen=bool(chosen))
        try:
            binary = server.locate(environment)
        except server.ServerError as error:
            raise checks.NotStartedError(str(error)) from None
        signals = StopSignals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        terminal = sys.stdout.isatty()
        output = Output(
            readable=environment.get("LOG_FORMAT", "console" if terminal else "json") == "console"
        )
        own = own_environment(ports, presence_port, environment)
        own |= write_catalog(paths, own)
        processes = programs(binary, ports, paths, own)
        for program in processes:
            output.add_pipe(program.name, paths.output(program.name))
            paths.pid(program.name).unlink(missing_ok=True)
            paths.ready(program.name).unlink(missing_ok=True)
        paths.supervisor.touch(mode=0o600)
        paths.supervisor.write_text(supervisor_configuration(processes, paths))
        with supervised(paths, output, signals) as supervisor:
            return serve(supervisor, signals, output, ports, paths, environment=own)


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


def serve(  # noqa: PLR0913 - what it serves
    supervisor: subprocess.Popen[bytes],
    signals: StopSignals,
    output: Output,
    ports: Ports,
    paths: DataPaths,
    *,
    environment: Mapping[str, str],
) -> int:
    """Wait until the service is ready, print how to use it, and wait for its end."""
    terminal = sys.stdout.isatty()

    def ended() -> bool:
        # When a terminal closes, only the leader of its session is sure to get SIGHUP. A shell
        # passes the signal on, `make` does not.
        closed = terminal and not sys.stdout.isatty()
        return signals.stop.is_set() or closed or supervisor.poll() is not None

    stages: list[tuple[str, Callable[[], bool]]] = [
        ("the server", lambda: _answers(f"http://127.0.0.1:{ports.store}/ping")),
        ("the store", lambda: _index(paths)),
        ("the gateway", Api(f"http://127.0.0.1:{ports.gateway}").is_ready),
        ("the workers", lambda: all(paths.ready(name).exists() for name in WORKERS)),
    ]
    deadline = time.monotonic() + READY_SECONDS
    for name, ready in stages:
        while not ended() and not ready():
            if time.monotonic() > deadline:
                output.log("not ready", reason=f"{name} did not answer for {READY_SECONDS:g} s")
                return 1
            signals.stop.wait(0.03)
    if not ended():
        output.show(usage(ports.gateway, paths.data, environment))
    while not ended():
        signals.stop.wait(0.5)
    if supervisor.poll() is not None:
        output.log("the supervisor ended", code=supervisor.returncode)
        return 1
    output.log("stopping", hint="press Ctrl-C again to stop without waiting for running steps")
    return 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _index(paths: DataPaths) -> bool:
    indexes.apply(paths.database)
    return True


def main() -> int:
    """Return the exit code; each fault is a line on standard error."""
    try:
        return run(os.environ)
    except checks.NotStartedError as error:
        for fault in error.faults:
            server.report(f"run: {fault}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
