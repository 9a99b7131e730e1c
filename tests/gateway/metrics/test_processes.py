"""A scrape of a gateway of several processes, which live, freeze and die."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.metrics import Scraped, scrape
from tests.support.processes import call, wait_until
from tests.support.several_processes import numbered, serving, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Process
    from tests.support.server import Server

COUNT = 3
UP = "durable_http_gateway_process_up"
REQUESTS = "durable_http_gateway_requests_total"


@pytest.fixture(name="running")
def _running(server: Server, tmp_path: Path) -> Iterator[Process]:
    """Yield a gateway of three processes, all of which serve."""
    (tmp_path / "tmp").mkdir()
    with serving(tmp_path, COUNT, server, TMPDIR=str(tmp_path / "tmp")) as process:
        yield process


def up(found: Scraped) -> dict[str, float]:
    """Return which processes have answered."""
    return {labels["process"]: value for labels, value in found.samples(UP)}


def test_each_scrape_sees_all_processes(running: Process) -> None:
    """Whichever process answers, all requests are there, so no counter goes back."""
    url = url_of(running)
    for n in range(30):
        assert call(f"{url}/wait?id=none-{n}").status == 404
        assert scrape(url).value(REQUESTS, route="/wait") == n + 1
    found = scrape(url)

    assert up(found) == {"1": 1, "2": 1, "3": 1}
    assert len(found.samples("process_resident_memory_bytes")) == COUNT
    assert len({value for _, value in found.samples("process_start_time_seconds")}) >= 1


def test_a_dead_process_leaves_nothing(running: Process) -> None:
    """What a killed process has shown is gone, until another one has its number."""
    url, before = url_of(running), numbered(running)
    for n in range(30):
        call(f"{url}/wait?id=none-{n}")
    os.kill(before["2"], signal.SIGKILL)

    def without() -> Scraped | None:
        try:
            found = scrape(url)
        except ConnectionError:  # the kernel gave the connection to the one that was killed
            return None
        return found if up(found)["2"] == 0 else None

    missing = wait_until(without, what="a scrape without the process")
    assert missing is not None
    assert missing.samples("process_resident_memory_bytes")
    assert "2" not in missing.labels("process_resident_memory_bytes", "process")
    assert "2" not in missing.labels("durable_http_gateway_waiters", "process")

    wait_until(lambda: up(scrape(url))["2"] == 1, what="another process with the number")
    assert numbered(running)["2"] != before["2"]


def test_a_frozen_process_delays_no_scrape_for_long(running: Process) -> None:
    """A scrape waits a second for a process that is frozen, and says that it is missing."""
    url, frozen = url_of(running), numbered(running)["3"]
    os.kill(frozen, signal.SIGSTOP)
    try:

        def without() -> bool:
            try:
                return up(scrape(url, seconds=3.0))["3"] == 0
            except TimeoutError:  # the kernel gave the connection to the frozen one
                return False

        wait_until(without, seconds=60, what="a scrape without the process")
    finally:
        os.kill(frozen, signal.SIGCONT)
    wait_until(lambda: up(scrape(url))["3"] == 1, what="the process")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_socket_stays(running: Process, tmp_path: Path, number: int) -> None:
    """The directory of the sockets is gone once all have ended, however the first one ends."""
    pids = numbered(running)
    (sockets,) = (tmp_path / "tmp").iterdir()
    assert sorted(each.name for each in sockets.iterdir()) == ["1", "2", "3"]

    running.signal(number)
    assert running.child is not None
    running.child.wait(30)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()))
    wait_until(lambda: list((tmp_path / "tmp").iterdir()) == [], what="an empty directory")
