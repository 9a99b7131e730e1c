"""The list by phase, and why an execution is queued."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gateway.api.keys import ACTIVITIES, WORKERS
from gateway.model.fields import PHASES
from shared.presence import Claimed
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.played_worker import begin_step, begin_wait, block, resolve
from tests.support.gateway.presence import speaking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.execution import Execution
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


async def listed(gateway: Gateway, query: str) -> list[str]:
    """Return the ids of all pages, none of which may be longer than its limit."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = await gateway.ask("GET", f"/list?{query}&limit=2{cursor}")
        assert answer.status == 200, answer
        assert len(answer.body["items"]) <= 2
        found += [item["id"] for item in answer.body["items"]]
        if answer.body["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.body['next_cursor']}"


@pytest.fixture(name="all_phases")
async def _all_phases(gateway: Gateway, store: Store, job: str) -> dict[str, str]:
    """Return an execution of each phase that needs no time, and one that has ended."""
    names = ("queued", "running", "waiting", "blocked", "scheduled", "ended")
    ids = {name: f"{job}-{name}" for name in names}
    for name, id in ids.items():
        also = "&delay=1h" if name == "scheduled" else ""
        assert (await gateway.ask("POST", f"/begin?id={id}{also}")).status == 202
    await asyncio.to_thread(begin_step, store, ids["running"], 1)
    await asyncio.to_thread(begin_wait, store, ids["waiting"], 1, "approval")
    await asyncio.to_thread(begin_step, store, ids["blocked"], 1)
    await asyncio.to_thread(block, store, ids["blocked"])
    await resolve(store, ids["ended"])
    return ids


async def test_a_list_has_the_executions_of_a_phase(
    gateway: Gateway, all_phases: dict[str, str], job: str
) -> None:
    """Each phase finds its own and no other, over all pages."""
    found = {phase: await listed(gateway, f"prefix={job}&phase={phase}") for phase in PHASES}

    expected = {phase: [all_phases[phase]] if phase in all_phases else [] for phase in PHASES}
    expected["recovering"] = found["recovering"]  # no task of these steps is held by a worker
    expected["running"] = found["running"]
    assert found == expected
    assert sorted(found["recovering"] + found["running"]) == [all_phases["running"]]


async def test_a_phase_goes_with_other_filters(
    gateway: Gateway, all_phases: dict[str, str], job: str
) -> None:
    """All filters hold at once."""
    query = f"prefix={job}&phase=waiting"

    assert await listed(gateway, f"{query}&status=pending") == [all_phases["waiting"]]
    assert await listed(gateway, f"{query}&function=foo&version=1") == [all_phases["waiting"]]
    assert await listed(gateway, f"{query}&function=checkout") == []


async def test_what_is_not_known_is_not_hidden(
    gateway: Gateway, all_phases: dict[str, str], job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An execution whose phase could not be read is on the page, and says so."""

    async def nothing(executions: Sequence[Execution]) -> list[Execution]:
        return list(executions)

    monkeypatch.setattr(gateway.app[ACTIVITIES], "add_to", nothing)
    answer = await gateway.ask("GET", f"/list?prefix={job}&phase=blocked")

    rows: dict[str, Any] = {item["id"]: item["phase"] for item in answer.body["items"]}
    assert rows[all_phases["blocked"]] is None
    assert all_phases["ended"] not in rows
    assert all_phases["scheduled"] not in rows  # that is known without a read


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        (f"phase={wrong}", f"phase must be one of {', '.join(PHASES)}.")
        for wrong in ("nope", "", "RUNNING", "%00")
    ]
    + [
        (f"phase=queued&status={ended}", "Only pending executions have a phase; leave status out.")
        for ended in ("resolved", "canceled")
    ],
)
async def test_other_phases_are_refused(gateway: Gateway, query: str, detail: str) -> None:
    """There is no such phase, or none of what has ended."""
    answer = await gateway.ask("GET", f"/list?{query}")

    assert_problem(answer, "invalid-request", "/list", detail)


async def test_a_cursor_belongs_to_its_phase(gateway: Gateway, job: str) -> None:
    """A list by phase goes on with the same phase only."""
    for number in range(3):
        await gateway.begin(f"{job}-{number}", 1)
    first = await gateway.ask("GET", f"/list?prefix={job}&phase=queued&limit=1")
    cursor = first.body["next_cursor"]
    assert cursor is not None

    for other in ("", "&phase=running"):
        answer = await gateway.ask("GET", f"/list?prefix={job}{other}&cursor={cursor}")
        assert_problem(answer, "invalid-request", "/list", "The cursor belongs to other filters.")
    again = await gateway.ask("GET", f"/list?prefix={job}&phase=queued&cursor={cursor}")
    assert again.status == 200


async def test_why_an_execution_is_queued(gateway: Gateway, job: str) -> None:
    """What workers tell of themselves says why none of them runs it; else nothing is said."""
    await gateway.begin(job, None, function="checkout")
    assert "queued_because" not in (await gateway.wait(job)).body

    other = speaking(gateway.app[WORKERS])  # serves foo alone
    seen = (await gateway.wait(job)).body
    assert (seen["phase"], seen["queued_because"]) == ("queued", "no worker serves checkout 1")
    with_input = (await gateway.wait(job, "input")).body
    assert with_input["queued_because"] == "no worker serves checkout 1"

    await gateway.begin(f"{job}-foo", 1)
    assert "queued_because" not in (await gateway.wait(f"{job}-foo")).body
    for number in range(other.hello.slots):
        other.hear(Claimed(f"t-{number}", 1, f"other-{number}"))
    seen = (await gateway.wait(f"{job}-foo")).body
    assert seen["queued_because"] == "all workers that serve foo 1 are busy"

    await gateway.ask("POST", f"/cancel?id={job}")
    assert "queued_because" not in (await gateway.wait(job)).body
