"""Steps fail and are tried again: what clients see of it, whatever dies meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from shared.resonate import tags as tag
from tests.support.clients.streams import read_stream
from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.faults.proxy import Proxy
    from tests.support.stack import Stack

ODD = "tests.support.worker.odd"
FIELDS = {"tries", "last_error", "next_try_at"}
LONG = {"fails": 3, "pause": 60.0}
"""The input of `flaky` whose first pause lasts longer than its test."""


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service of two gateways, and a worker with odd functions."""
    with running_stack(tmp_path_factory.mktemp("retrying"), workers=0) as stack:
        stack.add_gateway("second")
        stack.add_worker("odd", ODD)
        yield stack


def until(stack: Stack, id: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until the state of an execution meets the condition; return the state."""

    def state() -> dict[str, Any]:
        seen = stack.state(id)
        return seen if condition(seen) else {}

    return wait_until(state, seconds=20, what="the state")


def retrying(stack: Stack, id: str, tries: int = 1) -> dict[str, Any]:
    """Wait until the execution is retrying after this many tries at least; return its state."""
    return until(stack, id, lambda state: state.get("tries", 0) >= tries)


def records(stack: Stack, id: str) -> int:
    """Return how many records of failed tries the store has of an execution."""
    with stack.store() as store:
        found = store.promises.search(f"{id}.*", {tag.EXECUTION: id})[0]
        return sum(tag.FAILED_TRY in promise.tags for promise in found)


def cancel(stack: Stack, id: str) -> None:
    """Cancel the execution."""
    assert call(f"{stack.url}/cancel?id={id}", "POST").status == 200


def test_a_pause_is_shown(service: Stack, job: str) -> None:
    """In the pause: how often the step has failed, how, and when it is tried again."""
    service.create(job, "flaky", LONG)

    state = retrying(service, job)

    assert (state["phase"], state["worker"], state["attempt"]) == ("retrying", "odd", 1)
    assert state["tries"] == 1
    assert state["last_error"] == {
        "type": "ConnectionError",
        "message": "no connection at try 1",
        "step": "connect",
    }
    failed = service.workers["odd"].events("step failed", execution=job)[0]["timestamp"]
    pause = datetime.fromisoformat(state["next_try_at"]) - datetime.fromisoformat(failed)
    assert 29 < pause.total_seconds() < 61
    states = [service.state(job) for _ in range(50)]
    assert all(again == state for again in states)
    cancel(service, job)
    ended = service.state(job, steps=True)
    assert not {"phase", *FIELDS} & ended.keys()


def test_every_gateway_shows_it(service: Stack, job: str) -> None:
    """Another gateway, and one that was started in the pause, answer the same."""
    service.create(job, "flaky", LONG)
    state = retrying(service, job)

    urls = [service.add_gateway("third"), service.url]
    service.gateways["third"].kill()
    urls[0] = service.add_gateway("third")

    assert [call(f"{url}/wait?id={job}").body for url in urls] == [state, state]
    cancel(service, job)


def test_the_next_try_is_still_a_retry(service: Stack, job: str) -> None:
    """While the next try runs the phase stays, without a time; its success ends it."""
    service.create(job, "flaky", {"fails": 2, "pause": 1.0, "takes": 2.0})
    retrying(service, job, tries=2)

    state = until(service, job, lambda state: "next_try_at" not in state)

    assert (state["phase"], state["tries"]) == ("retrying", 2)
    assert state["last_error"]["message"] == "no connection at try 2"
    ended = service.outcome(job)
    assert (ended["status"], ended["result"]) == ("resolved", 3)
    assert not {"tries", "last_error"} & (ended.keys() | ended["steps"][0].keys())


def test_the_last_failure_ends_it(service: Stack, job: str) -> None:
    """When the last try fails, the step's outcome is its failure as ever."""
    service.create(job, "flaky", {"fails": 3, "attempts": 3, "pause": 0.8})
    retrying(service, job)

    ended = service.outcome(job)

    assert (ended["status"], ended["error"]["attempts"]) == ("rejected", 3)
    assert "tries" not in ended


def test_its_step_shows_it(service: Stack, job: str) -> None:
    """With `include=steps` the step has its tries and its last error."""
    service.create(job, "flaky", LONG)
    state = retrying(service, job)

    (step,) = service.state(job, steps=True)["steps"]

    assert (step["name"], step["status"], step["tries"]) == ("connect", "pending", 1)
    assert step["last_error"] == state["last_error"]
    cancel(service, job)


def test_events_tell_each_recorded_try(service: Stack, job: str) -> None:
    """`retrying` events are equal live and afterwards, at every gateway."""
    second = f"http://127.0.0.1:{service.gateways['second'].started('gateway started')['port']}"
    service.create(job, "flaky", {"fails": 3, "pause": 1.0})
    with ThreadPoolExecutor(2) as pool:
        streams = [
            pool.submit(read_stream, f"{url}/events?id={job}") for url in (service.url, second)
        ]
        live = [stream.result().content for stream in streams]

    after = read_stream(f"{second}/events?id={job}").content

    assert live == [after, after]
    told = [data for _, name, data in after if name == "retrying"]
    assert [data["tries"] for data in told] == [1, 2, 3]
    assert [data["last_error"]["message"] for data in told] == [
        f"no connection at try {number}" for number in (1, 2, 3)
    ]
    assert {(data["step"], data["worker"]) for data in told} == {("connect", "odd")}
    assert all(data["at"] < data["next_try_at"] for data in told)


def test_quick_tries_are_not_recorded(service: Stack, job: str) -> None:
    """A step that fails all its tries at once costs no more than a step that fails once."""
    service.create(job, "flaky", {"fails": 30, "pause": 0.001})

    assert service.outcome(job)["result"] == 31
    assert records(service, job) == 0


def test_many_tries_leave_few_records(service: Stack, job: str) -> None:
    """Of hundreds of tries few are recorded, the latest state is shown, and so is the step."""
    service.create(job, "flaky", {"fails": 200, "pause": 0.05, "takes": 2.0})

    state = retrying(service, job, tries=60)

    assert (state["phase"], state["last_error"]["step"]) == ("retrying", "connect")
    assert service.outcome(job)["result"] == 201
    assert 2 <= records(service, job) <= 8


def test_a_childs_tries_are_not_recorded(service: Stack, job: str) -> None:
    """Of a child, which clients cannot ask for, nothing is stored; its parent waits for it."""
    # Of its five tries those before the longer pauses would be recorded.
    service.create(job, "parent", [["part", {"pace": "no number"}]])

    wait_until(lambda: service.state(job).get("phase") == "waiting", what="the child")
    ended = service.outcome(job)

    assert ended["result"][0][0] == "ValueError"
    assert len(service.workers["odd"].events("step failed", execution=f"{job}.1")) == 5
    assert records(service, f"{job}.1") == 0


def test_a_worker_dies_in_the_pause(bare_stack: Stack, job: str) -> None:
    """Its tries are shown, without a next one, until another worker counts from one again."""
    first = bare_stack.add_worker("first", ODD)
    bare_stack.create(job, "flaky", {"fails": 3, "pause": 4.0})
    until(bare_stack, job, lambda state: state.get("tries") == 2 and "next_try_at" in state)
    first.kill()

    lost = until(bare_stack, job, lambda state: state["phase"] == "recovering")
    bare_stack.add_worker("second", ODD)
    again = until(bare_stack, job, lambda state: state.get("worker") == "second")
    failed = until(bare_stack, job, lambda state: "next_try_at" in state)

    assert (lost["worker"], lost["tries"]) == ("first", 2)
    assert lost["last_error"]["message"] == "no connection at try 2"
    assert "next_try_at" not in lost
    assert again.get("tries") in {None, 1}
    assert (failed["phase"], failed["worker"], failed["tries"]) == ("retrying", "second", 1)
    assert (failed["attempt"], failed["recovered_from"]) == (2, "first")
    ended = bare_stack.outcome(job, 30)
    assert (ended["status"], ended["result"]) == ("resolved", 4)
    assert not FIELDS & ended.keys()


def test_the_server_dies_in_the_pause(bare_stack: Stack, job: str) -> None:
    """When the server is back, it still knows of the failed try."""
    bare_stack.add_worker("odd", ODD, WORKER_LEASE_SECONDS="30")
    bare_stack.create(job, "flaky", {"fails": 1, "pause": 60.0})
    before = until(bare_stack, job, lambda state: "next_try_at" in state)

    bare_stack.server.kill()
    bare_stack.server.start()

    assert bare_stack.state(job) == before


@pytest.mark.parametrize("how", ["cut", "refuse-403", "refuse-409", "garbage"])
def test_a_record_that_is_not_stored_is_left_out(
    proxied: tuple[Stack, Proxy], job: str, how: str
) -> None:
    """The step is tried again all the same, and nothing else is lost."""
    stack, proxy = proxied
    stack.create(job, "flaky", {"fails": 1, "pause": 1.0, "before": 1.0})
    odd = stack.workers["odd"]
    wait_until(lambda: stack.state(job, steps=True)["steps"], what="the record of the start")
    harm = proxy.harm("POST", "/promises", how, times=1000)
    wait_until(lambda: odd.events("failed try not recorded", execution=job), what="a lost record")
    proxy.heal()

    ended = stack.outcome(job)

    assert harm.done
    assert (ended["status"], ended["result"], ended["attempt"]) == ("resolved", 2, 1)
    assert len(stack.starts(job)) == 2


def test_a_record_of_an_old_claim_is_refused(proxied: tuple[Stack, Proxy], job: str) -> None:
    """A worker that learns so that its claim is over ends there; the execution goes on."""
    stack, proxy = proxied
    stack.create(job, "flaky", {"fails": 1, "pause": 60.0, "before": 1.0}, seconds=300)
    odd = stack.workers["odd"]
    wait_until(lambda: stack.state(job, steps=True)["steps"], what="the record of the start")
    proxy.harm("POST", "/promises", "refuse-412")

    wait_until(lambda: odd.events("slot given back", execution=job), what="the end of the claim")

    state = until(stack, job, lambda state: state.get("attempt") == 2 and "tries" in state)
    assert (state["phase"], state["tries"]) == ("retrying", 1)
    assert call(f"{stack.url}/cancel?id={job}", "POST").status == 200
