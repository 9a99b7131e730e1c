"""`make run`: in a terminal and without, on free ports, with a data folder of its own."""

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

from tests.support.ports import free_port, neighbouring_ports
from tests.support.processes import ROOT, call, wait_until
from tests.support.server import binary

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = ("GATEWAY_PORT", "RESONATE_PORT_STORE", "RESONATE_PORT_MESSAGE_SOURCE")
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

    def read(self, needle: bytes | None, seconds: float = 30.0, *, times: int = 1) -> bytes:
        """Read until the text has been shown so often, or to the end of the output."""
        assert self.terminal is not None
        end = time.monotonic() + seconds
        while needle is None or self.shown.count(needle) < times:
            readable, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            assert readable, f"{needle!r} was not shown: {self.shown.decode()}"
            try:
                chunk = os.read(self.terminal, 65536)
            except OSError:  # the other end of the terminal is closed
                chunk = b""
            if not chunk:
                break
            self.shown += chunk
        return self.shown

    def await_ready(self) -> None:
        self.read(b"curl")
        self.pids = {name: self.pid(name) for name in (*PROCESSES, "supervisor")}

    def pid(self, name: str) -> int:
        # A process that was just started again may not have written it yet.
        file = self.data / f"{name}.pid"
        return int(wait_until(file.read_text, what=f"the pid of {name}"))

    def left(self) -> list[str]:
        """Return the names of the processes that still run."""
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
    with contextlib.ExitStack() as stack:
        environment = {
            "PATH": os.environ["PATH"],
            "RESONATE_SERVER_BIN": str(binary()),
            "DATA_DIR": str(tmp_path / "data"),
            **{name: str(free_port()) for name in PORTS},
        }
        run = Run(tmp_path / "data", environment)
        stack.callback(run.end)
        yield run


def refusal(run: Run) -> list[str]:
    """Start, expect an exit code of 1, and return the output's lines."""
    run.start()
    lines = run.read(None).decode().splitlines()
    assert run.child is not None
    assert run.child.wait(10) == 1
    return lines


def test_executions_run_and_ctrl_c_ends_all_processes(run: Run) -> None:
    """The printed commands work; SIGINT ends every process and keeps the data."""
    run.start(in_terminal=True)
    run.await_ready()
    url = f"http://127.0.0.1:{run.port}"

    begun = call(f"{url}/begin?id=job-001", "POST", {"foo": "hello"})
    assert begun.status == 202
    wait_until(lambda: call(f"{url}/wait?id=job-001").body["done"], what="the execution's end")
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
    """Every killed process is started again, with another pid."""
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

    wait_until(works, seconds=30, what="an execution that ends")


def test_closing_the_terminal_ends_all_processes(run: Run) -> None:
    """When the terminal is closed, all processes end."""
    run.start(in_terminal=True)
    run.await_ready()

    run.hang_up()

    assert run.child is not None
    run.child.wait(20)
    assert run.left() == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_end_all_processes(run: Run, number: signal.Signals) -> None:
    """SIGHUP and SIGTERM end all processes, although supervisord alone restarts on SIGHUP."""
    run.start(in_terminal=True)
    run.await_ready()

    assert run.child is not None
    run.child.send_signal(number)

    run.read(None)
    assert run.child.wait(10) == 0
    assert run.left() == []


def test_a_killed_launcher_leaves_nothing(run: Run) -> None:
    """SIGKILL of the launcher ends every process that it started."""
    run.start()
    run.await_ready()

    assert run.child is not None
    run.child.kill()

    wait_until(lambda: not run.left(), seconds=20, what="the end of every process")


def test_a_killed_supervisor_leaves_nothing(run: Run) -> None:
    """SIGKILL of the supervisor ends its processes, and the launcher reports it and exits."""
    run.start()
    run.await_ready()

    os.kill(run.pids["supervisor"], signal.SIGKILL)

    run.read(b"the supervisor ended")
    assert run.child is not None
    assert run.child.wait(10) == 1
    wait_until(lambda: not run.left(), seconds=20, what="the end of every process")


def test_a_killed_worker_costs_no_lease(run: Run) -> None:
    """Another worker goes on at once, where a lease would take a minute."""
    run.environment |= {
        "WORKER_LEASE_SECONDS": "60",
        "GATEWAY_PRESENCE_PORT": str(free_port()),
    }
    run.start()
    run.await_ready()
    url = f"http://127.0.0.1:{run.port}/wait?id=order-1&include=steps"
    run.read(b"gateways see this worker", times=3)
    call(f"http://127.0.0.1:{run.port}/begin?id=order-1&function=checkout", "POST")
    holder = wait_until(lambda: call(url).body.get("worker"), what="a worker that runs it")

    os.kill(run.pids[holder], signal.SIGKILL)

    state = wait_until(
        lambda: (body := call(url).body)["done"] and body, seconds=30, what="the execution's end"
    )
    assert (state["status"], state["recovered_from"]) == ("resolved", holder)


def test_two_runs_have_ports_for_workers(run: Run, tmp_path: Path) -> None:
    """A port that nobody has chosen is no reason not to start: the next free one is taken."""
    run.start()
    run.await_ready()
    ports = {name: str(free_port()) for name in PORTS}
    second = Run(
        tmp_path / "second",
        {**run.environment, "DATA_DIR": str(tmp_path / "second"), **ports},
    )
    try:
        second.start()
        second.await_ready()
    finally:
        second.end()


def test_a_chosen_port_for_workers_that_is_in_use_is_named(run: Run) -> None:
    """The fault names the port, which may be that of any process of the gateway."""
    first = neighbouring_ports()
    port = first + 1
    run.environment |= {"GATEWAY_PROCESSES": "2", "GATEWAY_PRESENCE_PORT": str(first)}
    with socket.create_server(("127.0.0.1", port)):
        (line,) = refusal(run)

    advice = "free it, or set GATEWAY_PRESENCE_PORT to another"
    assert line == f"run: port {port}: Address already in use: {advice}"


def test_ports_for_workers_are_no_others(run: Run) -> None:
    """A port that the service needs for something else is no port for workers."""
    run.environment["GATEWAY_PRESENCE_PORT"] = str(run.port)

    advice = "set GATEWAY_PRESENCE_PORT to another"
    assert refusal(run) == [f"run: port {run.port} is for GATEWAY_PORT: {advice}"]


def test_pipes_get_json(run: Run) -> None:
    """Without a terminal every line is a JSON object with the name of its process."""
    run.start()
    run.await_ready()
    assert run.child is not None
    run.child.terminate()

    lines = [json.loads(line) for line in run.read(None).splitlines()]

    assert {line["process"] for line in lines} >= {"gateway", "worker-1", "run", "supervisor"}
    assert all({"timestamp", "event"} <= line.keys() for line in lines)


def test_ports_in_use_are_named(run: Run) -> None:
    """The fault for a port in use names the port and its variable."""
    with socket.create_server(("127.0.0.1", run.port)):
        lines = refusal(run)

    assert lines == [f"run: port {run.port} is in use: free it, or set GATEWAY_PORT to another"]


def test_it_runs_once_on_its_data(run: Run) -> None:
    """A second start on the same data folder is refused with the pid of the first."""
    run.start()
    run.await_ready()
    second = Run(run.data, run.environment)
    try:
        lines = refusal(second)
    finally:
        second.end()

    assert run.child is not None
    assert lines == [
        f"run: already running on {run.data}: press Ctrl-C there, or kill {run.child.pid}"
    ]


def test_a_left_over_lock_is_no_obstacle(run: Run) -> None:
    """The lock file of a launcher that died does not prevent a start."""
    run.data.mkdir()
    (run.data / "run.lock").write_text("1\n")

    run.start()

    run.await_ready()


def test_faults_of_the_settings_are_named(run: Run) -> None:
    """Every variable at fault is named, and no process is started."""
    run.environment |= {"WORKER_CONCURRENCY": "none", "LOG_LEVEL": "loud"}

    lines = refusal(run)

    assert [line.split(" must be ")[0] for line in lines] == [
        "run: LOG_LEVEL",
        "run: WORKER_CONCURRENCY",
    ]


def test_a_wrong_server_is_named(run: Run) -> None:
    """A RESONATE_SERVER_BIN that is no server is refused in one line."""
    run.environment["RESONATE_SERVER_BIN"] = "/bin/true"

    assert refusal(run) == ["run: RESONATE_SERVER_BIN=/bin/true is no server; 0.8.x is needed"]
