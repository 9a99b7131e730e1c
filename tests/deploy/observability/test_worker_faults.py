"""A real Prometheus watches real workers: each fault raises its own alert and no other."""

from __future__ import annotations

import contextlib
import signal
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from shared.resonate.tasks import TaskState
from tests.support.flows import CHANGES, WRITTEN, blocked, module
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.prometheus import Prometheus, needs_prometheus, prometheus
from tests.support.stack import running_stack
from tests.support.worker.misbehaving import POISONED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Process
    from tests.support.stack import Stack

pytestmark = needs_prometheus

SLOTS: Final = 24
"""Slots of each of the two workers: more than threads may hang before there is an alert."""

MODULES: Final = ("functions", "unusual", "misbehaving", "stuck")
"""Modules of `tests.support.worker` whose functions the workers have, besides `flow`."""


class Service:
    """A service with two workers, and a Prometheus that watches it."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        self.stack = stack
        self.directory = directory
        self.ports = {name: str(free_port()) for name in ("worker-1", "worker-2")}
        self._code = ""
        self.write("written", WRITTEN)
        for name in self.ports:
            self.start(name)

    def write(self, name: str, body: str) -> None:
        """Let workers that are started from now on have this body of the function `flow`."""
        code = self.directory / name
        code.mkdir()
        (code / "flows.py").write_text(module({"flow": body}))
        self._code = str(code)

    def start(self, name: str) -> Process:
        """Start a worker, which can be scraped when this returns."""
        own = ",".join(f"tests.support.worker.{each}" for each in MODULES)
        worker = self.stack.add_worker(
            name,
            PYTHONPATH=self._code,
            WORKER_FUNCTIONS=f"{own},flows",
            WORKER_METRICS_PORT=self.ports[name],
            WORKER_MAX_RECOVERIES="2",
            WORKER_CONCURRENCY=str(SLOTS),
        )
        worker.started("metrics served")
        return worker

    @contextlib.contextmanager
    def running(self, *ids: str, function: str, given: object = None) -> Iterator[None]:
        """Begin executions, all of which run when the block begins; cancel them at its end."""
        for id in ids:
            self.stack.create(id, function, given, 300)
        try:
            wait_until(lambda: all(map(self.stack.starts, ids)), what=f"{len(ids)} starts")
            yield
        finally:
            with self.stack.store() as store:
                for id in ids:
                    store.promises.cancel(id)


@pytest.fixture(name="watched", scope="module")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Prometheus]]:
    """Yield a service and its Prometheus, in which no alert fires at first."""
    directory = tmp_path_factory.mktemp("watched")
    with running_stack(directory, workers=0) as stack:
        service = Service(stack, directory)
        jobs = {
            "gateways": [stack.url.removeprefix("http://")],
            "workers": [f"127.0.0.1:{port}" for port in service.ports.values()],
        }
        with prometheus(directory / "prometheus", jobs) as watching:
            stack.begin("first", body={"a": 1})
            stack.outcome("first")
            counted = 'durable_http_worker_executions_total{function="foo",state="resolved"} == 1'
            wait_until(lambda: watching.labels(counted, "job") == {"workers"}, what="the count")
            watching.calm()
            yield service, watching


def test_workers_are_killed_again_and_again(watched: tuple[Service, Prometheus]) -> None:
    """Three kills raise the alert about them; two do not, and the other worker works on."""
    service, watching = watched
    with watching.raised("WorkersLostOften"):
        for kills in (1, 2, 3):
            service.stack.workers["worker-1"].kill()
            died = f"durable_http_gateway_workers_died_total == {kills}"
            wait_until(partial(watching.labels, died, "job"), what="a death")
            service.start("worker-1")
            if kills < 3:
                wait_until(lambda: watching.labels("durable_http_gateway_workers == 2", "job"))
                assert watching.fired() == set()


def test_a_step_that_ends_its_workers(
    watched: tuple[Service, Prometheus], job: str, tmp_path: Path
) -> None:
    """Two workers end while the step runs, so it is not started again."""
    service, watching = watched
    stack, told = service.stack, tmp_path / "told"

    def started(times: int) -> bool:
        """Return whether the step was started so often, and the first start is stored."""
        return len(stack.starts(job)) == times and stack.state(job, steps=True)["steps"] != []

    with watching.raised("ExecutionsEndWorkers"):
        stack.create(job, "kills_when_told", str(told), 300)
        for times in (1, 2):
            wait_until(partial(started, times), what="a start")
            name, _ = stack.starts(job)[-1]
            told.touch()
            process = stack.workers[name].child
            assert process is not None
            assert process.wait(10) == POISONED
            service.start(name)
        assert stack.outcome(job)["error"]["type"] == "WorkerLost"


def test_code_that_does_not_fit(watched: tuple[Service, Prometheus], job: str) -> None:
    """An execution that waits for a signal does not go on with code that was changed meanwhile."""
    service, watching = watched
    stack = service.stack

    with service.running(job, function="flow"), watching.raised("ExecutionsBlocked"):
        stack.suspended(job)
        service.write("changed", CHANGES["inserted"])
        for name in service.ports:
            stack.workers[name].stop()
            service.start(name)
        assert "ExecutionsBlocked" not in watching.firing()
        assert stack.signal(job, 7, "go").status == 202
        assert blocked(stack, job)["found"] == "step quote"


def test_a_function_that_fails(watched: tuple[Service, Prometheus], job: str) -> None:
    """Six executions of a function fail."""
    service, watching = watched

    with watching.raised("ExecutionsRejected"):
        ids = [f"{job}-{n}" for n in range(6)]
        for id in ids:
            service.stack.begin(id, "checkout", {"pace": 0, "fail": "reserve"})
        assert {service.stack.outcome(id)["status"] for id in ids} == {"rejected"}


def test_a_worker_that_is_frozen_past_its_leases(
    watched: tuple[Service, Prometheus], job: str, tmp_path: Path
) -> None:
    """A worker loses the leases of its running steps, and finds that out when it goes on."""
    service, watching = watched
    stack, ids = service.stack, [f"{job}-{n}" for n in range(6)]

    with (
        service.running(*ids, function="listen", given=str(tmp_path / "stopped")),
        watching.raised("LeasesLost"),
    ):
        names = [stack.starts(id)[0][0] for id in ids]
        frozen = max(names, key=names.count)
        held = [id for id, name in zip(ids, names, strict=True) if name == frozen]
        stack.workers[frozen].signal(signal.SIGSTOP)
        with stack.store() as store:

            def lapsed(id: str) -> bool:
                state = store.tasks.state(f"__invoke:{id}")
                return state is not TaskState.HELD or len(stack.starts(id)) > 1

            wait_until(lambda: all(map(lapsed, held)), what="the ends of the leases")
        stack.workers[frozen].signal(signal.SIGCONT)


def test_a_function_that_needs_much_memory(watched: tuple[Service, Prometheus], job: str) -> None:
    """A worker is near its limit while the function runs, and not afterwards."""
    service, watching = watched
    with service.running(job, function="hold_memory", given=400), watching.raised("MemoryHigh"):
        pass
    watching.ends("MemoryHigh")


def test_steps_that_hang(watched: tuple[Service, Prometheus], job: str) -> None:
    """Steps that hang have all slots, so another execution waits; canceled, they leave threads."""
    service, watching = watched
    ids = [f"{job}-{n}" for n in range(2 * SLOTS)]

    with service.running(*ids, function="hang"), watching.raised("ExecutionsWait"):
        service.stack.begin(f"{job}-waits")
    with watching.raised("ThreadsLeftBehind"):
        assert service.stack.outcome(f"{job}-waits")["status"] == "resolved"
    watching.ends("ExecutionsWait")


def test_no_workers(watched: tuple[Service, Prometheus]) -> None:
    """Without workers one alert fires, and ends when one is back."""
    service, watching = watched
    with watching.raised("NoWorkers"):
        for worker in service.stack.workers.values():
            worker.stop()
    service.start("worker-1")
    watching.ends("NoWorkers")
