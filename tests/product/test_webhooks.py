"""Webhooks: the end of an execution is posted to a URL, whatever dies in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.processes import call, wait_until
from tests.support.receiver import receiving
from tests.support.stack import running_stack
from tests.support.webhooks import SECRET, WEBHOOKS, begin, calling_back, delivered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Process
    from tests.support.stack import Stack


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with calling_back(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


def delivery_ended(stack: Stack, id: str) -> Process:
    """Wait until a worker has delivered the webhook; return the worker."""

    def found() -> list[Process]:
        return [
            w
            for w in stack.workers.values()
            if w.events("webhook delivered", execution=f"{id}.webhook")
        ]

    return wait_until(found, seconds=20, what="the delivery")[0]


def test_an_end_is_posted_until_it_is_accepted(stack: Stack, job: str) -> None:
    """A receiver that fails twice gets the same message a third time, signed, and then no more.

    It has the trace context of the begin, since no spans are sent here.
    """
    parent = f"00-{'a' * 32}-{'b' * 16}-00"
    context = {"traceparent": parent, "tracestate": "vendor=1,other=2"}
    with receiving(500, 500) as receiver:
        begin(stack, job, receiver.url, "foo", headers=context)
        bodies = delivered(receiver, 3)
        delivery_ended(stack, job)

    assert bodies == [{"id": job, "status": "resolved", "link": f"/wait?id={job}"}] * 3
    assert {call.headers["webhook-id"] for call in receiver.calls} == {job}
    assert all(call.headers.items() >= context.items() for call in receiver.calls)
    assert len(receiver.calls) == 3


def test_every_end_is_posted(stack: Stack, job: str) -> None:
    """Rejected, canceled and timed out are ends like resolved."""
    with receiving() as receiver:
        begin(stack, f"{job}-canceled", receiver.url, "approval")
        begin(stack, f"{job}-timedout", receiver.url, "approval", timeout="1s")
        begin(stack, f"{job}-rejected", receiver.url, body={"pace": 0, "fail": "ship"})
        call(f"{stack.url}/cancel?id={job}-canceled", "POST")
        bodies = delivered(receiver, 3)

    assert {body["id"]: body["status"] for body in bodies} == {
        f"{job}-{status}": status for status in ("canceled", "timedout", "rejected")
    }


def test_a_receiver_may_stop_it(stack: Stack, job: str) -> None:
    """After a 410 the webhook is not tried again."""
    with receiving(410) as receiver:
        begin(stack, job, receiver.url, "foo")
        delivered(receiver)
        wait_until(
            lambda: [w for w in stack.workers.values() if w.events("webhook ended")],
            what="the end of the delivery",
        )

    assert len(receiver.calls) == 1


def test_redirects_are_not_followed(stack: Stack, job: str) -> None:
    """The target of a redirect is not called; the attempt counts as failed."""
    with receiving() as other, receiving(307, Location=other.url) as receiver:
        begin(stack, job, receiver.url, "foo")
        delivered(receiver, 2)

    assert other.calls == []


def test_the_guard_stands_at_the_worker(stack: Stack, job: str, tmp_path: Path) -> None:
    """A worker does not call an address that its own settings forbid."""
    with running_stack(tmp_path, workers=0, gateway=WEBHOOKS) as strict, receiving() as receiver:
        worker = strict.add_worker("strict", WEBHOOK_SECRET=SECRET)
        begin(strict, job, receiver.url, "foo")
        wait_until(lambda: worker.events("step failed", step="deliver"), what="a failed try")
        error = worker.events("step failed", step="deliver")[0]["error"]

        assert "127.0.0.1 is not a public address" in error
        assert strict.outcome(job)["status"] == "resolved"
    assert receiver.calls == []


def test_nothing_secret_is_logged(stack: Stack, job: str) -> None:
    """Neither the signing secret nor the query of the URL stands in a log."""
    with receiving(500) as receiver:
        begin(stack, job, receiver.url, "foo")
        delivered(receiver, 2)
        delivery_ended(stack, job)

    for process in (*stack.workers.values(), *stack.gateways.values()):
        log = process.log.read_text()
        assert "token=secret" not in log
        assert SECRET.removeprefix("whsec_") not in log


def test_a_receiver_that_hangs_holds_up_nobody(tmp_path: Path, job: str) -> None:
    """Unanswered webhooks take no slot from other executions, and all are delivered at last."""
    with calling_back(tmp_path, workers=0) as stack, receiving() as receiver:
        only = stack.add_worker("worker-1", WORKER_CONCURRENCY="4", **WEBHOOKS)
        receiver.answering.clear()
        for number in range(6):
            begin(stack, f"{job}-{number}", receiver.url, "foo")
            stack.outcome(f"{job}-{number}")
        wait_until(lambda: receiver.calls, what="the first call")

        for number in range(5):
            stack.begin(f"{job}-other-{number}", "checkout", {"pace": 0.05})
            assert stack.outcome(f"{job}-other-{number}", seconds=5)["status"] == "resolved"
        assert not only.events("webhook delivered")
        receiver.answering.set()

        delivered_ids = {body["id"] for body in delivered(receiver, 6, seconds=30)}
    assert delivered_ids == {f"{job}-{number}" for number in range(6)}


def test_a_receiver_that_hangs_is_in_no_others_way(tmp_path: Path, job: str) -> None:
    """Webhooks of one receiver are delivered at once while another does not answer."""
    with calling_back(tmp_path, workers=0) as stack, receiving() as hanging, receiving() as well:
        stack.add_worker("worker-1", **WEBHOOKS)
        hanging.answering.clear()
        for number in range(24):
            begin(stack, f"{job}-{number}", hanging.url, "foo")
        wait_until(lambda: len(hanging.calls) >= 4, what="calls that are not answered")

        for number in range(40):
            begin(stack, f"{job}-well-{number}", well.url, "foo")
        delivered_ids = {body["id"] for body in delivered(well, 40, seconds=10)}

        assert delivered_ids == {f"{job}-well-{number}" for number in range(40)}
        assert len(hanging.calls) <= 8


def test_a_worker_dies_before_the_delivery(tmp_path: Path, job: str) -> None:
    """A worker is killed before it delivers; another worker delivers the webhook."""
    with calling_back(tmp_path, workers=0) as stack, receiving() as receiver:
        only = stack.add_worker("worker-1", WORKER_CONCURRENCY="1", **WEBHOOKS)
        # Later, so that the delivery waits already; then the next one is first in line.
        begin(stack, job, receiver.url, delay="1s", body={"pace": 0.2})
        wait_until(lambda: stack.starts(job), what="its first step")
        stack.begin(f"{job}-next", "checkout", {"pace": 30})
        wait_until(
            lambda: only.events("step started", execution=f"{job}-next"), what="the next one"
        )
        assert stack.outcome(job)["status"] == "resolved"
        only.kill()
        assert receiver.calls == []

        stack.add_worker("worker-2", **WEBHOOKS)

        assert delivered(receiver) == [{"id": job, "status": "resolved", "link": f"/wait?id={job}"}]
        assert delivery_ended(stack, job).log.stem == "worker-2"
    assert len(receiver.calls) == 1


def test_everything_dies_before_the_end(tmp_path: Path, job: str) -> None:
    """Server, gateway and worker are killed while it runs; its webhook is still delivered."""
    with calling_back(tmp_path, workers=1) as stack, receiving() as receiver:
        begin(stack, job, receiver.url)
        wait_until(lambda: stack.starts(job), what="a step")
        for process in (*stack.workers.values(), *stack.gateways.values()):
            process.kill()
        stack.server.kill()

        stack.server.start()
        stack.add_worker("worker-2", **WEBHOOKS)

        (body,) = delivered(receiver, seconds=30)
    assert orjson.loads(receiver.calls[0].body) == body
    assert body["status"] == "resolved"
