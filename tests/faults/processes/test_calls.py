"""Calls to the server go wrong in every way, and the worker lives on and loses nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faults.proxy import Proxy
    from tests.support.stack import Stack

STEPS = ("reserve", "charge", "pack", "ship", "notify")
CALLS = {
    "claim": ("POST", "/tasks/claim"),
    "create": ("POST", "/promises"),
    "settle": ("PATCH", "/promises/"),
    "heartbeat": ("POST", "/tasks/heartbeat"),
    "search": ("GET", "/promises"),
}
HARMS = (
    *(f"refuse-{status}" for status in (403, 404, 429, 500, 503)),
    *(f"page-{status}" for status in (401, 403, 404, 409, 502)),
    *("cut", "lose", "half", "garbage", "null", "hang", "slow"),
)
SHORT = {
    ("claim", "lose"),
    ("create", "page-409"),
    ("create", "lose"),
    ("settle", "refuse-403"),
    ("settle", "lose"),
    ("heartbeat", "refuse-503"),
}
"""What `make test` runs of these; `make faults` runs all."""

CASES = [
    pytest.param(call, how, marks=() if (call, how) in SHORT else pytest.mark.long)
    for call in CALLS
    for how in HARMS
]
PROBE_SECONDS = 5.0


@pytest.fixture(autouse=True)
def _lives_on(proxied: tuple[Stack, Proxy], job: str) -> Iterator[None]:
    """Whatever happened, the same process runs another job right after."""
    stack, proxy = proxied
    pid = stack.workers["odd"].pid
    yield
    proxy.heal()
    stack.begin(f"{job}-probe")
    assert stack.outcome(f"{job}-probe", PROBE_SECONDS)["status"] == "resolved"
    assert (stack.workers["odd"].running(), stack.workers["odd"].pid) == (True, pid)


@pytest.mark.parametrize(("call", "how"), CASES)
def test_harm_to_a_call_is_survived(
    proxied: tuple[Stack, Proxy], job: str, call: str, how: str
) -> None:
    """Two calls of a kind go wrong: the job ends as it should, no finished step runs again."""
    stack, proxy = proxied
    proxy.harm(*CALLS[call], how, times=2)

    stack.begin(job, "checkout", {"pace": 0.02})

    ended = stack.outcome(job, 40)
    assert ended["status"] == "resolved", ended
    assert [step["name"] for step in ended["steps"]] == list(STEPS)
    counts = Counter(step for _, step in stack.starts(job))
    # A step whose result did not reach the store runs again; there can be two of those.
    assert sum(counts.values()) <= len(STEPS) + 2


def test_a_write_that_can_never_be_taken_ends_the_job(
    proxied: tuple[Stack, Proxy], job: str
) -> None:
    """A step's id that belongs to something else rejects the execution with that reason."""
    stack, proxy = proxied
    proxy.harm("POST", "/promises", "refuse-409")

    stack.begin(job, "checkout", {"pace": 0.02})

    ended = stack.outcome(job)
    assert (ended["status"], ended["error"]["type"]) == ("rejected", "StoreRefused")


def test_a_worker_that_renews_nothing_gives_up(proxied: tuple[Stack, Proxy], job: str) -> None:
    """Cut off from renewing, a worker starts no further step after its lease; then goes on."""
    stack, proxy = proxied
    harm = proxy.harm("POST", "/tasks/heartbeat", "cut", times=10_000)
    stack.begin(job, "checkout", {"pace": 0.9})

    wait_until(lambda: harm.done >= 4, seconds=20, what="four lost renewals")
    proxy.heal()

    ended = stack.outcome(job, 40)
    assert ended["status"] == "resolved"
    finished = [step["name"] for step in ended["steps"]]
    assert finished == list(STEPS)
