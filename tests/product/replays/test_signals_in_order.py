"""A function that waits again for a name gets the next value, whichever gateway it came by."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from tests.support.flows import deploy, module, result
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

THREE: Final = """
    got = []
    for _ in range(3):
        got.append((yield context.signal("next", timeout=60)))
    return got
"""

LATE: Final = """
    got = []
    for _ in range(2):
        try:
            got.append((yield context.signal("next", timeout=0.5)))
        except TimedOut:
            got.append("late")
    got.append((yield context.signal("next", timeout=60)))
    return got
"""


def test_before_during_and_after(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """Three values by two gateways: before the waits, during one, and while no worker runs."""
    other = bare_stack.add_gateway("gateway-2")
    bare_stack.create(job, "three", seconds=300)
    first = call(f"{bare_stack.url}/signal?id={job}&name=next", "POST", 1)
    deploy(bare_stack, "worker", tmp_path, module({"three": THREE}))
    waits_again = f"{job}.signal.next.2"
    with bare_stack.store() as store:
        wait_until(
            lambda: store.promises.search(f"{job}.signal.next*", {})[0][0].id == waits_again,
            what="the second wait",
        )
    second = call(f"{other}/signal?id={job}&name=next", "POST", 1)
    bare_stack.workers["worker"].kill()
    third = call(f"{bare_stack.url}/signal?id={job}&name=next", "POST", 3)
    deploy(bare_stack, "worker-2", tmp_path, module({"three": THREE}))

    assert result(bare_stack, job) == [1, 1, 3]
    assert [answer.status for answer in (first, second, third)] == [202, 202, 202]
    assert [answer.body["number"] for answer in (first, second, third)] == [1, 2, 3]


def test_from_two_gateways_at_once(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """Values that come at the same moment are three values, each once."""
    gateways = [bare_stack.url, bare_stack.add_gateway("gateway-2")]
    deploy(bare_stack, "worker", tmp_path, module({"three": THREE}))
    bare_stack.create(job, "three", seconds=300)
    together = threading.Barrier(3)
    numbers: list[int] = []

    def send(value: int) -> None:
        together.wait(10)
        url = f"{gateways[value % 2]}/signal?id={job}&name=next"
        numbers.append(call(url, "POST", value).body["number"])

    senders = [threading.Thread(target=send, args=(value,)) for value in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert sorted(result(bare_stack, job)) == [0, 1, 2]
    assert sorted(numbers) == [1, 2, 3]


def test_a_repeat_by_its_key_is_no_second_value(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """A request with the key of an earlier one delivers nothing, at any gateway."""
    other = bare_stack.add_gateway("gateway-2")
    deploy(bare_stack, "worker", tmp_path, module({"three": THREE}))
    bare_stack.create(job, "three", seconds=300)
    for value in (1, 2, 3):
        for url in (bare_stack.url, other, bare_stack.url):
            key = {"Idempotency-Key": f"key-{value}"}
            answer = call(f"{url}/signal?id={job}&name=next", "POST", value, headers=key)
            assert answer.status in {200, 202}, answer

    assert result(bare_stack, job) == [1, 2, 3]


def test_a_wait_that_is_over_is_passed_over(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """A value that comes after two waits have timed out is for the third."""
    source = module({"late": LATE}).replace("import Context", "import Context, TimedOut")
    deploy(bare_stack, "worker", tmp_path, source)
    bare_stack.create(job, "late", seconds=300)
    with bare_stack.store() as store:
        wait_until(
            lambda: store.promises.search(f"{job}.signal.next.3", {})[0], what="the third wait"
        )

    answer = call(f"{bare_stack.url}/signal?id={job}&name=next", "POST", 7)

    assert result(bare_stack, job) == ["late", "late", 7]
    assert (answer.status, answer.body["number"], answer.body["waiting"]) == (202, 3, 0)
