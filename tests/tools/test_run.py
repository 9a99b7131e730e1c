"""`make run` as people use it: in a terminal, on free ports, with data of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT, call, wait_until
from tests.support.server import binary, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = ("server", "gateway", "worker-1", "worker-2", "worker-3")


@dataclass
class Run:
    """`python -m tools.run`, with a terminal or with pipes for its output."""

    data: Path
    environment: dict[str, str]
    child: subprocess.Popen[bytes] | None = None
    terminal: int | None = None
    shown: bytes = b""
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.environment["GATEWAY_PORT"])

    def start(self, *, in_terminal: bool = False) -> None:
        command = [sys.executable, "-m", "tools.run"]
        output: int = subprocess.PIPE
        if in_terminal:
            self.terminal, output = pty.openpty()
        self.child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        if in_terminal:
            os.close(output)
        else:
            assert self.child.stdout is not None
            self.terminal = self.child.stdout.fileno()

    def read(self, needle: bytes | None, seconds: float = 30.0) -> bytes:
        """Read until the text has been shown, or to the end of the output."""
        assert self.terminal is not None
        end = time.monotonic() + seconds
        while needle is None or needle not in self.shown:
            readable, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            assert readable, f"{needle!r} was not shown: {self.shown.decode()}"
            try:
                chunk = os.read(self.terminal, 65536)
            except OSError:  # of a terminal that its last user has closed
                chunk = b""
            if not chunk:
                break
            self.shown += chunk
        return self.shown

    def await_ready(self) -> None:
        self.read(b"curl")
        self.pids = {name: self.pid(name) for name in (*PROCESSES, "supervisor")}

    def pid(self, name: str) -> int:
        return int((self.data / f"{name}.pid").read_text())

    def left(self) -> list[str]:
        """Return the names of processes that still live."""
        return [name for name, pid in self.pids.items() if Path(f"/proc/{pid}").exists()]

    def hang_up(self) -> None:
        """Close the terminal."""
        assert self.terminal is not None
        os.close(self.terminal)
        self.terminal = None

    def end(self) -> None:
        if self.child is not None:
            if self.child.poll() is None:
                self.child.kill()
            self.child.wait()
            if self.child.stdout is not None:
                self.child.stdout.close()
                self.terminal = None
        if self.terminal is not None:
            os.close(self.terminal)


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Iterator[Run]:
    ports = ("GATEWAY_PORT", "RESONATE_PORT_STORE", "RESONATE_PORT_MESSAGE_SOURCE")
    with contextlib.ExitStack() as stack:
        environment = {
            "PATH": os.environ["PATH"],
            "RESONATE_SERVER_BIN": str(binary()),
            "DATA_DIR": str(tmp_path / "data"),
            **{name: str(free_port()) for name in ports},
        }
        run = Run(tmp_path / "data", environment)
        stack.callback(run.end)
        yield run


def refusal(run: Run) -> list[str]:
    """Start, expect an exit code of 1, and return the lines that were shown."""
    run.start()
    lines = run.read(None).decode().splitlines()
    assert run.child is not None
    assert run.child.wait(10) == 1
    return lines


def test_it_runs_jobs_and_ctrl_c_ends_all_of_it(run: Run) -> None:
    """Ready, it shows what to try, which works; SIGINT ends every process and keeps the data."""
    run.start(in_terminal=True)
    run.await_ready()
    url = f"http://127.0.0.1:{run.port}"

    begun = call(f"{url}/begin?id=job-001", "POST", {"foo": "hello"})
    assert begun.status == 202
    wait_until(lambda: call(f"{url}/wait?id=job-001").body["done"], what="the job's end")
    run.read(b"step started")
    assert run.child is not None
    run.child.send_signal(signal.SIGINT)

    run.read(None)
    assert run.child.wait(10) == 0
    assert run.left() == []

    run.shown = b""
    run.start(in_terminal=True)
    run.await_ready()
    assert call(f"{url}/wait?id=job-001").body["status"] == "resolved"


def test_a_process_that_is_killed_comes_back(run: Run) -> None:
    """Every process is watched: killed, it is started again with another pid."""
    run.start(in_terminal=True)
    run.await_ready()

    for name in PROCESSES:
        os.kill(run.pids[name], signal.SIGKILL)

    def all_new() -> bool:
        return all(run.pid(name) != run.pids[name] for name in PROCESSES)

    wait_until(all_new, what="a new process for each")
    url = f"http://127.0.0.1:{run.port}"

    def works() -> bool:
        try:
            return call(f"{url}/begin?id=probe", "POST").status == 200
        except OSError:
            return False

    wait_until(works, seconds=30, what="a job that ends")


def test_closing_the_terminal_ends_all_of_it(run: Run) -> None:
    """When the terminal is gone, nothing is left running."""
    run.start(in_terminal=True)
    run.await_ready()

    run.hang_up()

    assert run.child is not None
    run.child.wait(20)
    assert run.left() == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_end_all_of_it(run: Run, number: signal.Signals) -> None:
    """SIGHUP and SIGTERM end it like Ctrl-C does, though supervisord takes SIGHUP for a restart."""
    run.start(in_terminal=True)
    run.await_ready()

    assert run.child is not None
    run.child.send_signal(number)

    run.read(None)
    assert run.child.wait(10) == 0
    assert run.left() == []


def test_killed_outright_it_leaves_nothing(run: Run) -> None:
    """Even SIGKILL of the launcher ends what it started."""
    run.start()
    run.await_ready()

    assert run.child is not None
    run.child.kill()

    wait_until(lambda: not run.left(), seconds=20, what="the end of every process")


def test_a_killed_supervisor_leaves_nothing(run: Run) -> None:
    """SIGKILL of the supervisor ends what it started, and the launcher says so."""
    run.start()
    run.await_ready()

    os.kill(run.pids["supervisor"], signal.SIGKILL)

    run.read(b"the supervisor ended")
    assert run.child is not None
    assert run.child.wait(10) == 1
    wait_until(lambda: not run.left(), seconds=20, what="the end of every process")


def test_machines_get_json(run: Run) -> None:
    """Without a terminal every line is a JSON object that names its process."""
    run.start()
    run.await_ready()
    assert run.child is not None
    run.child.terminate()

    lines = [json.loads(line) for line in run.read(None).splitlines()]

    assert {line["process"] for line in lines} >= {"gateway", "worker-1", "run", "supervisor"}
    assert all({"timestamp", "event"} <= line.keys() for line in lines)


def test_taken_ports_are_named(run: Run) -> None:
    """A port that something else listens on is named, with the variable that changes it."""
    with socket.create_server(("127.0.0.1", run.port)):
        lines = refusal(run)

    assert lines == [f"run: port {run.port} is taken: stop what uses it, or set GATEWAY_PORT"]


def test_it_runs_once_on_its_data(run: Run) -> None:
    """A second start on the same data says which process has them."""
    run.start()
    run.await_ready()
    second = Run(run.data, run.environment)
    try:
        lines = refusal(second)
    finally:
        second.end()

    assert run.child is not None
    assert lines == [
        f"run: it is running already on {run.data}: Ctrl-C there, or kill {run.child.pid}"
    ]


def test_a_lock_that_was_left_behind_is_no_obstacle(run: Run) -> None:
    """The lock of a start that died is taken over."""
    run.data.mkdir()
    (run.data / "run.lock").write_text("1\n")

    run.start()

    run.await_ready()


def test_faults_of_the_settings_are_named(run: Run) -> None:
    """Every variable that makes no sense is named before anything is started."""
    run.environment |= {"WORKER_CONCURRENCY": "none", "LOG_LEVEL": "loud"}

    lines = refusal(run)

    assert [line.split(" must be ")[0] for line in lines] == [
        "run: LOG_LEVEL",
        "run: WORKER_CONCURRENCY",
    ]


def test_a_server_that_is_missing_is_named(run: Run) -> None:
    """A RESONATE_SERVER_BIN that is no server stops the start with a line that says so."""
    run.environment["RESONATE_SERVER_BIN"] = "/bin/true"

    assert refusal(run) == ["run: RESONATE_SERVER_BIN=/bin/true is no server; 0.8.x is needed"]
