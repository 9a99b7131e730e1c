"""Webhooks to receivers that answer 429 or 503: they are left alone for as long as they ask."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until
from tests.support.receiver import receiving
from tests.support.webhooks import WEBHOOKS, begin, calling_back, delivered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with calling_back(tmp_path_factory.mktemp("stack"), workers=0) as stack:
        stack.add_worker("worker-1", WORKER_CONCURRENCY="4", **WEBHOOKS)
        yield stack


def history(stack: Stack) -> Counter[str]:
    """Return how many promises there are of each webhook."""
    with closing(sqlite3.connect(stack.server.database)) as store:
        ids = [id for (id,) in store.execute("SELECT id FROM promises")]
    ours = [id for id in ids if ".webhook" in id and not id.startswith("__")]
    return Counter(id.partition(".webhook")[0] for id in ours)


@pytest.mark.parametrize("status", [429, 503])
def test_no_attempt_comes_before_the_receiver_wants_it(stack: Stack, job: str, status: int) -> None:
    """The second attempt would come after a second; the receiver asks for four, and gets them."""
    with receiving(status, Retry_After="4") as receiver:
        begin(stack, job, receiver.url, "foo")
        first, second = delivered(receiver, 2, seconds=60)

    assert first == second
    assert receiver.calls[1].at - receiver.calls[0].at >= 4


def test_many_webhooks_wait_together(tmp_path: Path, job: str) -> None:
    """One answer to one of 12 webhooks is enough for all of them, and each is delivered at last."""
    with calling_back(tmp_path, workers=0) as stack, receiving(503, Retry_After="8") as receiver:
        stack.add_worker("worker-1", WORKER_CONCURRENCY="4", **WEBHOOKS)
        begin(stack, f"{job}-0", receiver.url, "foo")
        wait_until(lambda: receiver.calls, what="the call that is throttled")
        for number in range(1, 12):
            begin(stack, f"{job}-{number}", receiver.url, "foo")
            stack.outcome(f"{job}-{number}")
        bodies = delivered(receiver, 13, seconds=100)
        first, *later = [call.at for call in receiver.calls]

        assert {body["id"] for body in bodies} == {f"{job}-{number}" for number in range(12)}
        assert len(receiver.calls) == 13, "no webhook but the first was tried in vain"
        assert min(later) - first >= 8
        # The webhook and its wait for the execution; an attempt, a wait for a turn, an attempt.
        assert max(history(stack).values()) <= 8


def test_a_wait_holds_no_slot_and_delays_no_other_receiver(stack: Stack, job: str) -> None:
    """While one receiver wants to be left alone for long, the worker does everything else."""
    with receiving(*[429] * 100, Retry_After="3600") as throttling, receiving() as well:
        for number in range(8):
            begin(stack, f"{job}-{number}", throttling.url, "foo")
            stack.outcome(f"{job}-{number}")
        for number in range(8):
            begin(stack, f"{job}-well-{number}", well.url, "foo")
        delivered(well, 8)
        for number in range(8):
            stack.suspended(f"{job}-{number}.webhook")

        assert len(throttling.calls) == 1


def test_without_a_header_the_receiver_is_left_alone_for_longer_each_time(
    stack: Stack, job: str
) -> None:
    """A receiver that says nothing is not called by each of ten webhooks again and again."""
    with receiving(429, 429, 429) as receiver:
        for number in range(10):
            begin(stack, f"{job}-{number}", receiver.url, "foo")
        bodies = delivered(receiver, 13, seconds=100)

    assert {body["id"] for body in bodies} == {f"{job}-{number}" for number in range(10)}
    assert len(receiver.calls) == 13


@pytest.mark.parametrize("value", ["-5", "soon", "1.5", "Mon, 01 Jan 1990 00:00:00 GMT"])
def test_nonsense_does_not_stop_the_webhook(stack: Stack, job: str, value: str) -> None:
    """What is no time to wait is as if it were not there; a date in the past is now."""
    with receiving(503, Retry_After=value) as receiver:
        begin(stack, job, receiver.url, "foo")
        delivered(receiver, 2, seconds=60)
