"""Streams of real executions are equal live and later, through cuts, kills and recoveries."""

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

type Events = list[tuple[str, str, Any]]


@pytest.fixture(name="pool")
def _pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def follow(pool: ThreadPoolExecutor, url: str, job: str) -> Future[Parser]:
    """Begin to follow an execution, live."""
    return pool.submit(read_stream, f"{url}/events?id={job}")


def steps(events: Events) -> list[tuple[str, str]]:
    """Return name and status of each event of a step."""
    return [(data["name"], data["status"]) for _, name, data in events if name == "step"]


def in_pieces(urls: list[str], job: str, size: int) -> Events:
    """Follow an execution by streams that are cut after `size` events, each from the next URL."""
    events: Events = []
    for url in itertools.cycle(urls):
        last = events[-1][0] if events else None
        events += read_stream(f"{url}/events?id={job}", last, cut_after=size).content
        if events and events[-1][1] == "done":
            return events
    raise AssertionError("a cycle has no end")


def test_live_and_afterwards_are_alike(stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """A live stream has the same events, id by id, as a stream after the end."""
    answer = stack.begin(job, "checkout", {"pace": 0.3})
    live = pool.submit(read_stream, stack.url + answer.body["links"]["events"]).result()
    again = read_stream(f"{stack.url}/events?id={job}")

    expected = [(name, status) for name in CHECKOUT for status in ("pending", "resolved")]
    assert steps(live.content) == expected
    assert live.content[-1][1] == "done"
    assert live.content[-1][2]["result"] == stack.outcome(job)["result"]
    assert again.content == live.content


def test_two_gateways_stream_many_executions_alike(own_stack: Stack, job: str) -> None:
    """Live streams from two gateways are equal, even without a pause between steps."""
    urls = [own_stack.url, own_stack.add_gateway("second")]
    jobs = [f"{job}-{n}" for n in range(20)]
    with ThreadPoolExecutor(2 * len(jobs)) as pool:
        for id in jobs:
            own_stack.begin(id, "checkout", {"pace": 0.01, "fail": "notify"})
        live = {id: [follow(pool, url, id) for url in urls] for id in jobs}
        events = {id: [each.result().content for each in both] for id, both in live.items()}

    for id in jobs:
        final = read_stream(f"{own_stack.url}/events?id={id}").content
        assert events[id] == [final, final]
        assert final[-1][2]["error"]["step"] == "notify"


@pytest.mark.parametrize("size", [1, 3])
def test_cuts_lose_and_repeat_nothing(own_stack: Stack, job: str, size: int) -> None:
    """A stream that is cut and continued at the other gateway has every event once."""
    urls = [own_stack.url, own_stack.add_gateway("second")]
    own_stack.begin(job, "checkout", {"pace": 0.2})

    events = in_pieces(urls, job, size)

    assert events == read_stream(f"{urls[0]}/events?id={job}").content
    assert len(steps(events)) == 2 * len(CHECKOUT)


def test_a_gateway_dies_in_the_middle(own_stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """A client of a gateway that is killed continues at a new gateway."""
    own_stack.begin(job, "checkout", {"pace": 0.5})
    first = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 3, what="the third step")
    own_stack.gateways["gateway"].kill()
    before = first.result().content
    url = own_stack.add_gateway("restarted")

    after = read_stream(f"{url}/events?id={job}", before[-1][0]).content

    assert "done" not in [name for _, name, _ in before]
    assert after[-1][1] == "done"
    assert before + after == read_stream(f"{url}/events?id={job}").content


def test_a_gateway_stops_in_the_middle(
    own_stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """SIGTERM ends a gateway's streams at once, and its clients go on at another."""
    second = own_stack.add_gateway("second")
    own_stack.begin(job, "checkout", {"pace": 0.5})
    first = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second step")

    assert own_stack.gateways["gateway"].stop(5) == 0
    before = first.result().content
    after = read_stream(f"{second}/events?id={job}", before[-1][0]).content

    assert before + after == read_stream(f"{second}/events?id={job}").content


def test_a_recovery_is_seen(own_stack: Stack, job: str, pool: ThreadPoolExecutor) -> None:
    """After a worker is killed, the stream names the worker that took over and the killed one."""
    own_stack.begin(job, "checkout", {"pace": 0.5})
    live = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second step")
    holder = own_stack.starts(job)[-1][0]
    own_stack.workers[holder].kill()

    events = live.result().content

    recovered = [data for _, _, data in events if data.get("recovered_from") == holder]
    assert [data["attempt"] for data in recovered] == [2]
    assert recovered[0]["phase"] == "running"
    workers = {data["name"]: data["worker"] for _, name, data in events if name == "step"}
    assert workers == {
        name: holder if name == "reserve" else recovered[0]["worker"] for name in CHECKOUT
    }
    assert events == read_stream(f"{own_stack.url}/events?id={job}").content


def test_waiting_and_progress_are_streamed(
    stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """What an execution waits for, that it goes on, and what it reports are events."""
    stack.begin(f"{job}-a", "approval", {"within": "30s"})
    asked = follow(pool, stack.url, f"{job}-a")
    wait_until(lambda: stack.state(f"{job}-a").get("phase") == "waiting", what="waiting")
    call(f"{stack.url}/signal?id={job}-a&name=approval", "POST", "yes")
    stack.begin(f"{job}-c", "countdown", {"from": 2, "every": 0.3})
    counted = follow(pool, stack.url, f"{job}-c")

    states = [data for _, name, data in asked.result().content if name == "state"]
    assert [state["phase"] for state in states[:4]] == ["queued", "running", "waiting", "running"]
    assert [each["name"] for each in states[2]["waiting_for"]] == ["approval"]
    events = counted.result().content
    reports = [(data["done"], data["total"]) for _, name, data in events if name == "progress"]
    assert reports == [(1, 2), (2, 2)]
    assert events == read_stream(f"{stack.url}/events?id={job}-c").content


def test_children_are_streamed_live_as_afterwards(
    stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """Children that run at the same time are all events, live and afterwards."""
    answer = stack.begin(job, "fanout", {"parts": 40, "pace": 0.2})
    live = pool.submit(read_stream, stack.url + answer.body["links"]["events"]).result().content

    begun = [data for _, name, data in live if name == "step" and data["status"] == "pending"]
    ended = [data for _, name, data in live if name == "step" and data["status"] == "resolved"]
    assert (len(begun), len(ended)) == (40, 40)
    assert live == read_stream(f"{stack.url}/events?id={job}").content


def test_the_server_is_away_in_the_middle(
    own_stack: Stack, job: str, pool: ThreadPoolExecutor
) -> None:
    """A stream outlives the server's absence, and has every event once the server is back."""
    own_stack.begin(job, "checkout", {"pace": 0.5})
    live = follow(pool, own_stack.url, job)
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second step")
    own_stack.server.kill()
    wait_until(
        lambda: call(f"{own_stack.url}/readyz").body["status"] == "degraded", what="the absence"
    )
    own_stack.server.start()

    events = live.result().content

    assert events[-1][1] == "done"
    assert len(steps(events)) == 2 * len(CHECKOUT)
    assert events == read_stream(f"{own_stack.url}/events?id={job}").content
