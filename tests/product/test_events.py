"""Streams of real executions: told alike live and later, through cuts, kills and recoveries."""

from __future__ import annotations

import itertools
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.clients.streams import Parser, read_stream
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

type Told = list[tuple[str, str, Any]]


@pytest.fixture(name="pool")
def _pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def follow(pool: ThreadPoolExecutor, url: str, job: str) -> Future[Parser]:
    """Begin to follow an execution, live."""
    return pool.submit(read_stream, f"{url}/events?id={job}")


def steps(told: Told) -> list[tuple[str, str]]:
    """Return name and status of each event of a step."""
    return [(data["name"], data["status"]) for _, name, data in told if name == "step"]


def in_pieces(urls: list[str], job: str, size: int) -> Told:
    """Follow an execution by streams that are cut after `size` events, each from the next URL."""
    told: Told = []
    for url in itertools.cycle(urls):
        last = told[-1][0] if told else None
        told += read_stream(f"{url}/events?id={job}", last, cut_after=size).told
        if told and told[-1][1] == "done":
            return told
    raise AssertionError("a cycle has no end")


def test_live_and_afterwards_are_alike(stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """A checkout that is followed live is told, id by id, as it is told after its end."""
    answer = stack.begin(job, "checkout", {"pace": 0.3})
    live = pool.submit(read_stream, stack.url + answer.body["links"]["events"]).result()
    again = read_stream(f"{stack.url}/events?id={job}")

    expected = [(name, status) for name in CHECKOUT for status in ("pending", "resolved")]
    assert steps(live.told) == expected
    assert live.told[-1][1] == "done"
    assert live.told[-1][2]["result"] == stack.outcome(job)["result"]
    assert again.told == live.told


def test_many_executions_are_told_alike_by_two_gateways(own_stack: Stack, job: str) -> None:
    """Executions without a pause between their steps are told alike by both gateways, live."""
    urls = [own_stack.url, own_stack.add_gateway("second")]
    jobs = [f"{job}-{n}" for n in range(20)]
    with ThreadPoolExecutor(2 * len(jobs)) as pool:
        for id in jobs:
            own_stack.begin(id, "checkout", {"pace": 0.01, "fail": "notify"})
        live = {id: [follow(pool, url, id) for url in urls] for id in jobs}
        told = {id: [each.result().told for each in both] for id, both in live.items()}

    for id in jobs:
        final = read_stream(f"{own_stack.url}/events?id={id}").told
        assert told[id] == [final, final]
        assert final[-1][2]["error"]["step"] == "notify"


@pytest.mark.parametrize("size", [1, 3])
def test_cuts_lose_and_repeat_nothing(own_stack: Stack, job: str, size: int) -> None:
    """A stream that is cut again and again, and goes on at the other gateway, tells all once."""
    urls = [own_stack.url, own_stack.add_gateway("second")]
    own_stack.begin(job, "checkout", {"pace": 0.2})

    told = in_pieces(urls, job, size)

    assert told == read_stream(f"{urls[0]}/events?id={job}").told
    assert len(steps(told)) == 2 * len(CHECKOUT)


def test_a_gateway_dies_in_the_middle(own_stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """A client of a gateway that is killed goes on at the one that is started instead."""
    own_stack.begin(job, "checkout", {"pace": 0.5})
    first = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 3, what="the third step")
    own_stack.gateways["gateway"].kill()
    before = first.result().told
    url = own_stack.add_gateway("restarted")

    after = read_stream(f"{url}/events?id={job}", before[-1][0]).told

    assert "done" not in [name for _, name, _ in before]
    assert after[-1][1] == "done"
    assert before + after == read_stream(f"{url}/events?id={job}").told


def test_a_gateway_stops_in_the_middle(
    own_stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """SIGTERM ends a gateway's streams at once, and its clients go on at another."""
    second = own_stack.add_gateway("second")
    own_stack.begin(job, "checkout", {"pace": 0.5})
    first = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second step")

    assert own_stack.gateways["gateway"].stop(5) == 0
    before = first.result().told
    after = read_stream(f"{second}/events?id={job}", before[-1][0]).told

    assert before + after == read_stream(f"{second}/events?id={job}").told


def test_a_recovery_is_seen(own_stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """When a worker is killed, its followers are told who took over, and from whom."""
    own_stack.begin(job, "checkout", {"pace": 0.5})
    live = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second step")
    holder = own_stack.starts(job)[-1][0]
    own_stack.workers[holder].kill()

    told = live.result().told

    recovered = [data for _, _, data in told if data.get("recovered_from") == holder]
    assert [data["attempt"] for data in recovered] == [2]
    assert recovered[0]["phase"] == "running"
    workers = {data["name"]: data["worker"] for _, name, data in told if name == "step"}
    assert workers == {
        name: holder if name == "reserve" else recovered[0]["worker"] for name in CHECKOUT
    }
    assert told == read_stream(f"{own_stack.url}/events?id={job}").told


def test_waiting_and_progress_are_told(stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """What an execution waits for, that it goes on, and what it reports are events."""
    stack.begin(f"{job}-a", "approval", {"within": "30s"})
    asked = follow(pool, stack.url, f"{job}-a")
    wait_until(lambda: stack.state(f"{job}-a").get("phase") == "waiting", what="waiting")
    call(f"{stack.url}/signal?id={job}-a&name=approval", "POST", "yes")
    stack.begin(f"{job}-c", "countdown", {"from": 2, "every": 0.3})
    counted = follow(pool, stack.url, f"{job}-c")

    states = [data for _, name, data in asked.result().told if name == "state"]
    assert [state["phase"] for state in states[:4]] == ["queued", "running", "waiting", "running"]
    assert [each["name"] for each in states[2]["waiting_for"]] == ["approval"]
    told = counted.result().told
    reports = [(data["done"], data["total"]) for _, name, data in told if name == "progress"]
    assert reports == [(1, 2), (2, 2)]
    assert told == read_stream(f"{stack.url}/events?id={job}-c").told


def test_children_are_told_live_as_afterwards(
    stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """Children that run beside each other end in any order, and all are told, by both gateways."""
    answer = stack.begin(job, "fanout", {"parts": 40, "pace": 0.2})
    live = pool.submit(read_stream, stack.url + answer.body["links"]["events"]).result().told

    begun = [data for _, name, data in live if name == "step" and data["status"] == "pending"]
    ended = [data for _, name, data in live if name == "step" and data["status"] == "resolved"]
    assert (len(begun), len(ended)) == (40, 40)
    assert live == read_stream(f"{stack.url}/events?id={job}").told


def test_the_server_is_away_in_the_middle(
    own_stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """A stream outlives the server's absence, and tells what happened once it is back."""
    own_stack.begin(job, "checkout", {"pace": 0.5})
    live = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second step")
    own_stack.server.kill()
    wait_until(lambda: call(f"{own_stack.url}/readyz").status == 503, what="the absence")
    own_stack.server.start()

    told = live.result().told

    assert told[-1][1] == "done"
    assert len(steps(told)) == 2 * len(CHECKOUT)
    assert told == read_stream(f"{own_stack.url}/events?id={job}").told
