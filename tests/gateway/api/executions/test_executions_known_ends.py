"""An end that a gateway has told of is not taken back, also if the gateway only found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.updates import recent_reads
from tests.support.gateway.streams import follow

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import StartGateway


@pytest.mark.parametrize(
    ("target", "status"),
    [("/cancel?id={}", 409), ("/signal?id={}&name=a", 409), ("/begin?id={}&function=foo", 200)],
)
async def test_an_end_that_was_told_of_is_seen_at_once(  # noqa: PLR0913, PLR0917 - fixtures
    target: str,
    status: int,
    settings: GatewaySettings,
    job: str,
    store: Store,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that is told that an execution has ended reads the outcome."""
    monkeypatch.setattr(recent_reads, "SHARE_OF_STANDING", 10**6)
    gateway = await start_gateway(settings)
    assert (await gateway.begin(job)).status == 202
    assert (await gateway.wait(job)).body["status"] == "pending"
    store.promises.resolve(job, ikey=job, data='"1"')
    assert (await gateway.wait(job)).body["status"] == "pending"

    assert (await gateway.ask("POST", target.format(job))).status == status

    assert (await gateway.wait(job)).body["status"] == "resolved"


@pytest.mark.parametrize(
    ("told", "asked"), [("events", ""), ("events", "steps"), ("steps", ""), ("", "steps")]
)
async def test_an_end_that_was_read_is_not_taken_back(  # noqa: PLR0913, PLR0917 - fixtures
    told: str,
    asked: str,
    settings: GatewaySettings,
    job: str,
    store: Store,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that was shown an end in one way is shown it in every other way."""
    monkeypatch.setattr(recent_reads, "SHARE_OF_STANDING", 10**6)
    gateway = await start_gateway(settings)
    assert (await gateway.begin(job)).status == 202
    assert (await gateway.wait(job, asked)).body["status"] == "pending"
    store.promises.resolve(job, ikey=job, data='"1"')
    assert (await gateway.wait(job, asked)).body["status"] == "pending"

    if told == "events":
        assert (await follow(gateway, job)).names[-1] == "done"
    else:
        assert (await gateway.wait(job, told)).body["status"] == "resolved"

    assert (await gateway.wait(job, asked)).body["status"] == "resolved"


async def test_the_last_event_is_not_repeated_by_a_gateway_that_does_not_know_it(
    settings: GatewaySettings,
    job: str,
    store: Store,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that had `done` from one gateway is answered 204 by another one that was polled."""
    monkeypatch.setattr(recent_reads, "SHARE_OF_STANDING", 10**6)
    gateway, other = await start_gateway(settings), await start_gateway(settings)
    assert (await gateway.begin(job)).status == 202
    assert (await other.wait(job)).body["status"] == "pending"
    store.promises.resolve(job, ikey=job, data='"1"')
    last = (await follow(gateway, job)).events[-1]

    async with other.get("/events", params={"id": job}, headers={"Last-Event-ID": last.id}) as it:
        assert (last.name, it.status) == ("done", 204)
