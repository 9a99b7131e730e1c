"""A gateway of several processes: they share a port, are replaced, and end together."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.presence import Hello, Welcome, from_gateway, line_of
from tests.support.catalog import CATALOG, write_manifest
from tests.support.ports import neighbouring_ports
from tests.support.processes import Process, call, wait_until
from tests.support.several_processes import gateway, serving, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

COUNT = 2
SECRET = "a-secret-of-workers"


@pytest.fixture(name="running")
def _running(server: Server, tmp_path: Path) -> Iterator[Process]:
    """Yield a gateway whose processes all serve."""
    with serving(tmp_path, COUNT, server) as process:
        yield process


def exit_code(process: Process) -> int:
    """Return the exit code of a gateway that does not start."""
    process.start()
    assert process.child is not None
    try:
        return process.child.wait(30)
    finally:
        process.end()


def children(process: Process) -> list[int]:
    """Return the processes that serve."""
    tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def begin_until_stored(url: str, id: str) -> None:
    """Begin as clients do: after a lost connection or a 503 with the same id again."""

    def is_stored() -> bool:
        try:
            return call(f"{url}/begin?id={id}", "POST", {}).status == 202
        except (OSError, http.client.HTTPException):
            return False

    wait_until(is_stored, what=f"a 202 for {id}")


def test_all_processes_serve_one_port(running: Process) -> None:
    """New connections reach each of the processes, which have the gateway's name and a number."""
    url = url_of(running)

    def names() -> set[str]:
        call(f"{url}/")
        return {event["process"] for event in running.events("request")}

    wait_until(lambda: names() == {"g-1", "g-2"}, what="requests at both")
    assert {event["port"] for event in running.events("gateway started")} == {
        int(url.rpartition(":")[2])
    }


def test_a_killed_process_is_replaced_under_load(running: Process) -> None:
    """Clients that repeat their requests lose nothing, and all processes are there again."""
    url = url_of(running)
    ids = [f"job-{uuid.uuid4().hex[:12]}" for _ in range(300)]
    begun = threading.Semaphore(0)

    def begin(id: str) -> None:
        begin_until_stored(url, id)
        begun.release()

    with ThreadPoolExecutor(8) as clients:
        done = [clients.submit(begin, id) for id in ids]
        for _ in range(50):
            assert begun.acquire(timeout=30)
        os.kill(children(running)[0], signal.SIGKILL)
        for each in done:
            each.result(60)

    assert {call(f"{url}/wait?id={id}").status for id in ids} == {200}
    ended = wait_until(lambda: running.events("process ended"), what="the end in the log")
    assert [event["exit_code"] for event in ended] == [-signal.SIGKILL]
    wait_until(lambda: len(running.events("gateway started")) == COUNT + 1, what="another one")
    assert len(children(running)) == COUNT


def test_a_drain_answers_all_who_wait(running: Process) -> None:
    """At SIGTERM clients of all processes are answered, and nothing is left running."""
    url = url_of(running)
    job = f"job-{uuid.uuid4().hex[:12]}"
    begin_until_stored(url, job)
    pids = children(running)
    with ThreadPoolExecutor(8) as clients:
        waiting = [clients.submit(call, f"{url}/wait?id={job}&wait=20s") for _ in range(8)]
        host, port = "127.0.0.1", int(url.rpartition(":")[2])
        wait_until(lambda: established(port) >= len(waiting), what="waiting clients")
        began = time.monotonic()
        code = running.stop()
        answers = [each.result(10) for each in waiting]

    assert code == 0
    assert [(answer.status, answer.body["done"]) for answer in answers] == [(200, False)] * 8
    assert time.monotonic() - began < 15
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, port), 5):
        pass


def established(port: int) -> int:
    """Return how many connections to a port of this machine their servers have accepted."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    columns = [line.split() for line in lines]
    return sum(c[1].endswith(f":{port:04X}") and c[3] == "01" and c[9] != "0" for c in columns)


def test_without_the_first_process_the_others_end(running: Process) -> None:
    """Processes whose keeper was killed drain and end, so that none is left with the port."""
    pids = children(running)
    running.kill()

    wait_until(lambda: not any(map(is_alive, pids)), seconds=15, what="the end of all")
    assert len(running.events("gateway stopped")) == COUNT


def is_alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_sighup_reaches_all(running: Process) -> None:
    """Each process reads its catalog again."""
    running.signal(signal.SIGHUP)

    def who() -> set[str]:
        return {event["process"] for event in running.events("catalog unchanged")}

    wait_until(lambda: who() == {"g-1", "g-2"}, what="a look at the file by both")


def test_sighup_ends_no_process_that_starts(tmp_path: Path) -> None:
    """A process that cannot handle the signal yet gets it later."""
    write_manifest(tmp_path / "catalog.json", CATALOG)
    process = gateway(tmp_path, COUNT)
    process.start()
    try:
        process.started("starting processes")
        wait_until(lambda: len(children(process)) == COUNT, what="the starts")
        process.signal(signal.SIGHUP)
        wait_until(lambda: len(process.events("gateway started")) == COUNT, what="all processes")
        wait_until(lambda: len(process.events("catalog unchanged")) == COUNT, what="the signal")
    finally:
        process.end()

    assert process.events("process ended") == []


def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    """Nobody else's port is shared, not even one that is open for sharing."""
    write_manifest(tmp_path / "catalog.json", CATALOG)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = gateway(tmp_path, COUNT, GATEWAY_PORT=str(other.getsockname()[1]))
        assert exit_code(process) == 1

    (event,) = process.events("not started")
    assert "Address already in use" in event["reason"]


def greet(port: int) -> object:
    """Greet a gateway as a worker does, and return its answer."""
    hello = Hello(SECRET, "w", "w-pid", "worker", 1, 0, {})
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(line_of(hello))
        return from_gateway.decode(connection.makefile("rb").readline())


def test_each_process_tells_workers_of_all(tmp_path: Path) -> None:
    """Each listens for workers at a port of its own, also one that was started again."""
    write_manifest(tmp_path / "catalog.json", CATALOG)
    port = neighbouring_ports()
    process = gateway(tmp_path, COUNT, PRESENCE_SECRET=SECRET, GATEWAY_PRESENCE_PORT=str(port))

    def answers() -> list[object]:
        return [greet(each) for each in (port, port + 1)]

    expected = [Welcome(f"g-{number}", [port, port + 1]) for number in (1, 2)]
    process.start()
    try:
        wait_until(lambda: len(process.events("gateway started")) == COUNT, what="all processes")
        assert answers() == expected

        os.kill(children(process)[1], signal.SIGKILL)
        wait_until(lambda: len(process.events("gateway started")) == COUNT + 1, what="another one")
        assert answers() == expected
    finally:
        process.end()


def test_a_port_for_workers_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    """No process is started that could not listen for workers."""
    write_manifest(tmp_path / "catalog.json", CATALOG)
    port = neighbouring_ports()
    with socket.create_server(("127.0.0.1", port + 1)):
        process = gateway(tmp_path, COUNT, PRESENCE_SECRET=SECRET, GATEWAY_PRESENCE_PORT=str(port))
        assert exit_code(process) == 1

    (event,) = process.events("not started")
    assert event["reason"] == f"port {port + 1}: Address already in use"


def test_wrong_settings_end_the_start(tmp_path: Path) -> None:
    """A wrong setting is said once, and nothing is started."""
    write_manifest(tmp_path / "catalog.json", CATALOG)
    process = gateway(tmp_path, COUNT, GATEWAY_MAX_BODY="0")

    assert exit_code(process) == 2
    (line,) = process.log.read_text().splitlines()
    assert "GATEWAY_MAX_BODY" in line
