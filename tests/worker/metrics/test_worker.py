"""What a real worker tells of its work, its losses and its end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.metrics import Scraped, scrape
from tests.support.ports import free_port
from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Process
    from tests.support.stack import Stack

EXECUTIONS: Final = "durable_http_worker_executions_total"


class Watched:
    """A service whose workers can be scraped."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._ports: dict[str, int] = {}

    def add_worker(self, name: str, **environment: str) -> Process:
        """Start a worker that can be scraped."""
        self._ports[name] = free_port()
        port = str(self._ports[name])
        worker = self.stack.add_worker(name, WORKER_METRICS_PORT=port, **environment)
        worker.started("metrics served")
        return worker

    def of(self, name: str) -> Scraped:
        """Scrape a worker."""
        return scrape(f"http://127.0.0.1:{self._ports[name]}")


@pytest.fixture(name="watched")
def _watched(tmp_path: Path) -> Iterator[Watched]:
    with running_stack(tmp_path, workers=0) as stack:
        yield Watched(stack)


def test_executions_and_steps_are_counted(watched: Watched, job: str) -> None:
    """Each end counts once, with its function, its version and its time; so does each step."""
    stack = watched.stack
    watched.add_worker("w", WORKER_CONCURRENCY="7")
    stack.begin(f"{job}-1", body={"a": 1})
    stack.begin(f"{job}-2", "checkout", {"pace": 0.01})
    stack.begin(f"{job}-3", "checkout", {"pace": 0.01, "fail": "notify"})
    states = [stack.outcome(f"{job}-{n}")["status"] for n in (1, 2, 3)]
    found = watched.of("w")

    assert states == ["resolved", "resolved", "rejected"]
    assert found.value(EXECUTIONS, function="foo", version="1", state="resolved") == 1
    assert found.value(EXECUTIONS, function="checkout", state="resolved") == 1
    assert found.value(EXECUTIONS, function="checkout", state="rejected") == 1
    duration = "durable_http_worker_execution_duration_seconds"
    assert found.value(f"{duration}_count", function="checkout") == 2
    assert 0 < found.value(f"{duration}_sum") < 20
    assert found.value("durable_http_worker_steps_total", outcome="resolved") >= 3
    assert found.value("durable_http_worker_steps_total", outcome="rejected") >= 1
    assert found.value("durable_http_worker_claims_total", outcome="granted") >= 3
    assert found.value("durable_http_worker_slots") == 7
    assert found.value("durable_http_worker_offers_received_total") >= 3
    assert found.value("durable_http_store_calls_total", verb="claim", status="201") >= 3


def test_what_waits_is_seen(watched: Watched, job: str) -> None:
    """A full worker shows how much waits for it, and for how long the oldest has been due."""
    watched.add_worker("w", WORKER_CONCURRENCY="1")
    for n in range(6):
        watched.stack.begin(f"{job}-{n}", "checkout", {"pace": 5})

    def waiting() -> bool:
        found = watched.of("w")
        return (
            found.value("durable_http_worker_slots_busy") == 1
            and found.value("durable_http_worker_offers") >= 1
            and found.value("durable_http_worker_oldest_offer_age_seconds") > 1
        )

    wait_until(waiting, what="offers that wait")
    assert watched.of("w").value("durable_http_worker_oldest_offer_age_seconds") < 60
    assert watched.of("w").value("durable_http_worker_claims_held") >= 1


def test_a_recovery_is_counted_by_who_goes_on(watched: Watched, job: str) -> None:
    """An execution whose worker is killed counts as taken over, once, and not as another's end."""
    watched.add_worker("first")
    watched.stack.begin(job, "checkout", {"pace": 1})
    wait_until(lambda: watched.stack.starts(job), what="the first step")
    watched.add_worker("second")
    watched.stack.workers["first"].kill()
    ended = watched.stack.outcome(job)
    found = watched.of("second")

    assert ended["status"] == "resolved"
    assert found.value("durable_http_worker_recoveries_total") == 1
    assert found.value(EXECUTIONS, function="checkout", state="resolved") == 1
    gateway = scrape(watched.stack.url)
    assert gateway.value("durable_http_gateway_workers") == 1
    assert gateway.value("durable_http_gateway_workers_died_total") == 1
    assert gateway.value("durable_http_gateway_releases_total") >= 1
    assert gateway.value("durable_http_gateway_workers_died_falsely_total") == 0


def test_a_canceled_execution_gives_its_slot_up(watched: Watched, job: str) -> None:
    """A cancel while a step hangs is a claim that is over, a slot given up, and a thread left."""
    watched.add_worker("w")
    watched.stack.begin(job, "checkout", {"pace": 30})
    wait_until(lambda: watched.stack.starts(job), what="the first step")
    assert call(f"{watched.stack.url}/cancel?id={job}", "POST").status == 200

    def given_up() -> bool:
        found = watched.of("w")
        return (
            found.value("durable_http_worker_slots_given_up_total") == 1
            and found.value("durable_http_worker_claims_lost_total", reason="over") == 1
            and found.value("durable_http_worker_threads_left_behind") == 1
        )

    wait_until(given_up, what="a slot that is given up")
    assert watched.of("w").value("durable_http_worker_claims_lost_total", reason="lease") == 0


def test_a_drain_is_seen_while_it_lasts(watched: Watched, job: str) -> None:
    """A worker that stops says so until its last execution is done or handed over."""
    worker = watched.add_worker("w")
    watched.stack.begin(job, "checkout", {"pace": 2})
    wait_until(lambda: watched.stack.starts(job), what="the first step")
    worker.signal(signal.SIGTERM)

    wait_until(lambda: watched.of("w").value("durable_http_worker_drains_total") == 1)
    assert worker.stop() == 0


def test_off_a_worker_shows_its_process_only(watched: Watched, job: str) -> None:
    """With METRICS=off a worker works as before, and tells of its process."""
    watched.add_worker("w", METRICS="off")
    watched.stack.begin(job)
    ended = watched.stack.outcome(job)
    found = watched.of("w")

    assert ended["status"] == "resolved"
    assert found.value("process_resident_memory_bytes") > 0
    assert not [name for name in found.families if name.startswith("durable_http")]
