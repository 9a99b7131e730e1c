"""Two gateways are one service: what one has accepted, the other knows as well."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import call

if TYPE_CHECKING:
    from tests.support.processes import Answer
    from tests.support.stack import Stack

TOGETHER = 64
STORM = 1000


@pytest.fixture(name="urls", scope="module")
def _urls(stack: Stack) -> list[str]:
    return [stack.url, stack.add_gateway("second")]


def test_a_replay_is_known_to_both(stack: Stack, urls: list[str], job: str) -> None:
    """What one gateway began the other replays, while it runs and after its end."""
    begun, again = (call(f"{url}/begin?id={job}", "POST", {"n": 1}) for url in urls)
    stack.outcome(job)
    ended = [call(f"{url}/begin?id={job}", "POST", {"n": 1}) for url in urls]

    assert (begun.status, begun.body["created"]) == (202, True)
    assert again.body["created"] is False
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [answer.status for answer in ended] == [200, 200]
    assert ended[0].body["result"] == ended[1].body["result"]


def test_an_id_is_refused_by_both(urls: list[str], job: str) -> None:
    """An id that one gateway gave away is refused by the other for another input or function."""
    call(f"{urls[0]}/begin?id={job}", "POST", {"n": 1})

    other = call(f"{urls[1]}/begin?id={job}", "POST", {"n": 2})
    another = call(f"{urls[1]}/begin?id={job}&function=countdown", "POST", {"from": 1})

    assert [(a.status, a.body["type"]) for a in (other, another)] == [
        (422, "/problems/id-reused"),
        (422, "/problems/id-reused"),
    ]


def test_a_storm_creates_one(stack: Stack, urls: list[str], job: str) -> None:
    """Of 1,000 begins at once over both, one creates, all are accepted, and it runs once."""

    def begin(n: int) -> Answer:
        return call(f"{urls[n % 2]}/begin?id={job}&function=checkout", "POST", {"pace": 0.2})

    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(begin, range(STORM)))

    assert {answer.status for answer in answers} <= {200, 202}
    assert Counter(answer.body["created"] for answer in answers) == {True: 1, False: STORM - 1}
    assert stack.outcome(job)["status"] == "resolved"
    assert Counter(step for _, step in stack.starts(job)) == dict.fromkeys(
        ("reserve", "charge", "pack", "ship", "notify"), 1
    )


def test_a_signal_with_a_key_is_one_value(stack: Stack, urls: list[str], job: str) -> None:
    """Of 50 clients with the same key at once one is first, and the function has it once."""
    call(f"{urls[0]}/begin?id={job}&function=approval", "POST", {"within": "30s"})
    headers = {"Idempotency-Key": "answer"}

    def signal(n: int) -> Answer:
        url = f"{urls[n % 2]}/signal?id={job}&name=approval"
        return call(url, "POST", {"ok": True}, headers=headers)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(signal, range(50)))

    assert Counter(answer.status for answer in answers) == {202: 1, 200: 49}
    assert {answer.body["number"] for answer in answers} == {1}
    assert stack.outcome(job)["result"] == {"answered": True, "answer": {"ok": True}}
    assert signal(0).status == 200


def test_a_canceled_execution_is_canceled_everywhere(urls: list[str], job: str) -> None:
    """Canceled at one gateway, it is canceled at the other, to which a waiter may be connected."""
    call(f"{urls[0]}/begin?id={job}&function=approval", "POST", {"within": "30s"})
    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(call, f"{urls[1]}/wait?id={job}&wait=9s")
        assert call(f"{urls[0]}/cancel?id={job}", "POST").status == 200
        waited = waiter.result()

    assert (waited.status, waited.body["status"]) == (200, "canceled")
    again = call(f"{urls[1]}/cancel?id={job}", "POST")
    assert (again.status, again.body["status"]) == (200, "canceled")
