"""An outage of the server, as orchestrators see it: nothing restarts, and nothing is taken away."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.processes import call, wait_until
from tests.support.renewers import renewer_of
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Server
    from tests.support.stack import Stack

IMPATIENT: Final = "tests.support.impatient"
LEASE: Final = 1.0

ROUTES: Final = (
    ("POST", "/begin?id={id}-away"),
    ("GET", "/wait?id={id}"),
    ("GET", "/wait?id={id}&wait=20s"),
    ("GET", "/wait?id={id}&include=steps"),
    ("GET", "/result?id={id}"),
    ("GET", "/events?id={id}"),
    ("POST", "/cancel?id={id}-none"),
    ("POST", "/signal?id={id}-none&name=a"),
    ("GET", "/list"),
)
"""Every route that needs the server."""

FRESH_SECONDS: Final = 10.0
"""Age up to which the file of a worker counts as fresh: that of the containers' health check."""


@dataclass(frozen=True)
class Files:
    """The files of one worker."""

    alive: Path
    ready: Path

    def settings(self) -> dict[str, str]:
        return {"WORKER_ALIVE_FILE": str(self.alive), "WORKER_READY_FILE": str(self.ready)}

    def touched_at(self) -> float:
        return self.alive.stat().st_mtime


def files_of(directory: Path, name: str) -> Files:
    """Return where a worker's files are."""
    return Files(directory / f"{name}.alive", directory / f"{name}.ready")


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("outages")
    with running_stack(directory, workers=0, lease_seconds=LEASE) as stack:
        yield stack


@pytest.fixture(name="stack")
def _stack(service: Stack, job: str) -> Iterator[Stack]:
    """Yield a service without workers, and end those that the test has added."""
    yield service
    call(f"{service.url}/cancel?id={job}", "POST")
    for worker in service.workers.values():
        worker.end()
    service.workers.clear()


@contextlib.contextmanager
def outage(server: Server, how: str) -> Iterator[None]:
    """Have the server away until the block ends."""
    if how == "frozen":
        server.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            server.signal(signal.SIGCONT)
    else:
        server.kill()
        yield
        server.start()


def assert_told_to_come_again(stack: Stack, id: str) -> None:
    """Assert that the gateway stays, says why, and answers clients itself."""
    with ThreadPoolExecutor(len(ROUTES)) as pool:
        answers = list(
            pool.map(lambda route: call(stack.url + route[1].format(id=id), route[0]), ROUTES)
        )
    told = {
        path: (answer.status, answer.body["type"], answer.headers.get("Retry-After"))
        for (_, path), answer in zip(ROUTES, answers, strict=True)
    }
    assert set(told.values()) == {(503, "/problems/backend-unavailable", "1")}, told
    assert call(f"{stack.url}/healthz").status == 200
    ready = call(f"{stack.url}/readyz")
    assert (ready.status, ready.body["status"]) == (200, "degraded")
    assert ready.body["detail"] == "server: it does not answer"


@pytest.mark.alone
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        ("killed", 4.0),
        ("frozen", 4.0),
        pytest.param("killed", 60.0, marks=pytest.mark.long),
        pytest.param("frozen", 60.0, marks=pytest.mark.long),
    ],
)
def test_an_outage(stack: Stack, tmp_path: Path, job: str, how: str, seconds: float) -> None:
    """Gateway and workers stay, though no lease is renewed, and everything goes on by itself."""
    files = [files_of(tmp_path, name) for name in ("a", "b")]
    for name, own in zip(("a", "b"), files, strict=True):
        stack.add_worker(name, IMPATIENT, **own.settings())
    wait_until(lambda: all(own.ready.exists() for own in files), what="readiness")
    jobs = [f"{job}-{n}" for n in range(8)]
    for id in jobs:
        stack.begin(id, "checkout", {"pace": 0.5})
    wait_until(lambda: all(map(stack.starts, jobs)), what="the first steps")

    end, ages = time.monotonic() + seconds, [0.0]

    def is_over() -> bool:
        ages.extend(time.time() - own.touched_at() for own in files)
        return time.monotonic() > end

    with outage(stack.server, how):
        wait_until(lambda: not any(own.ready.exists() for own in files), what="unreadiness")
        assert_told_to_come_again(stack, jobs[0])
        wait_until(is_over, seconds=seconds + 5)
        asked_at = time.time()
        wait_until(lambda: all(own.touched_at() > asked_at for own in files), what="signs of life")
        assert not any(own.ready.exists() for own in files)

    for id in jobs:
        assert stack.outcome(id, 60)["status"] == "resolved"
    wait_until(lambda: all(own.ready.exists() for own in files), what="readiness again")
    assert call(f"{stack.url}/readyz").body["status"] == "ok"
    assert stack.begin(f"{job}-0-away").status in {200, 202}
    assert stack.outcome(f"{job}-0-away")["status"] == "resolved"
    assert all(worker.running() for worker in stack.workers.values())
    assert max(ages) < FRESH_SECONDS


def test_a_worker_whose_own_renewals_fail_ends(stack: Stack, job: str) -> None:
    """A worker that cannot renew leases makes room for a new one, while the server answers."""
    worker = stack.add_worker("a", IMPATIENT)
    stack.begin(job, "checkout", {"pace": 60})
    wait_until(lambda: stack.starts(job), what="the first step")

    os.kill(renewer_of(worker), signal.SIGSTOP)

    assert worker.child is not None
    assert worker.child.wait(30) == 1
    (line,) = worker.events("worker broken")
    assert "no lease was renewed" in line["reason"]


def test_the_files_of_a_worker(stack: Stack, tmp_path: Path, job: str) -> None:
    """Alive from start to end, also without a server; ready while it can be offered work."""
    files = files_of(tmp_path, "a")
    files.ready.touch()  # as left behind by a process that was killed
    stack.server.kill()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(stack.add_worker, "a", WORKER_DRAIN_SECONDS="60", **files.settings())
        wait_until(files.alive.exists, what="a sign of life")
        alive_at = files.touched_at()
        wait_until(lambda: files.touched_at() > alive_at, what="life without a server")
        assert not files.ready.exists()
        stack.server.start()
        worker = starting.result()
    wait_until(files.ready.exists, what="readiness")
    shown_at = files.ready.stat().st_mtime
    wait_until(lambda: files.ready.stat().st_mtime > shown_at, what="another touch")
    stack.begin(job, "checkout", {"pace": 60})
    wait_until(lambda: stack.starts(job), what="the first step")

    worker.signal(signal.SIGTERM)

    wait_until(lambda: not files.ready.exists(), what="the end of readiness")
    draining_at = time.time()
    wait_until(lambda: files.touched_at() > draining_at, what="life while it drains")
    assert not files.ready.exists()
