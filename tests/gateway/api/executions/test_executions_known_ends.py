"""An end that a gateway has told of is not taken back, also if the gateway only found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.updates import recent_reads
from tests.support.gateway.streams import follow

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway


@pytest.fixture(name="polled")
async def _polled(settings: GatewaySettings, start_gateway: StartGateway) -> Polled:
    return Polled(await start_gateway(settings))


@pytest.fixture(autouse=True)
def _told_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_reads, "SHARE_OF_STANDING", 10**6)


class Polled:
    """A gateway whose polls come from memory."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def status(self, job: str, include: str = "") -> object:
        return (await self.gateway.wait(job, include)).body["status"]

    async def end(self, store: Store, job: str, include: str = "") -> None:
        """Begin an execution, poll it, and end it without a word to the gateway."""
        assert (await self.gateway.begin(job)).status == 202
        assert await self.status(job, include) == "pending"
        store.promises.resolve(job, ikey=job, data='"1"')
        assert await self.status(job, include) == "pending"


@pytest.mark.parametrize(
    ("target", "status"),
    [("/cancel?id={}", 409), ("/signal?id={}&name=a", 409), ("/begin?id={}&function=foo", 200)],
)
async def test_an_end_that_was_told_of_is_seen_at_once(
    target: str, status: int, job: str, store: Store, polled: Polled
) -> None:
    """A client that is told that an execution has ended reads the outcome."""
    await polled.end(store, job)

    assert (await polled.gateway.ask("POST", target.format(job))).status == status

    assert await polled.status(job) == "resolved"


@pytest.mark.parametrize(
    ("told", "asked"), [("events", ""), ("events", "steps"), ("steps", ""), ("", "steps")]
)
async def test_an_end_that_was_read_is_not_taken_back(
    told: str, asked: str, job: str, store: Store, polled: Polled
) -> None:
    """A client that was shown an end in one way is shown it in every other way."""
    await polled.end(store, job, asked)

    if told == "events":
        assert (await follow(polled.gateway, job)).names[-1] == "done"
    else:
        assert await polled.status(job, told) == "resolved"

    assert await polled.status(job, asked) == "resolved"


async def test_the_last_event_is_not_repeated_by_a_gateway_that_does_not_know_it(
    settings: GatewaySettings, job: str, store: Store, polled: Polled, start_gateway: StartGateway
) -> None:
    """A client that had `done` from one gateway is answered 204 by another one that was polled."""
    other = await start_gateway(settings)
    await polled.end(store, job)
    last = (await follow(other, job)).events[-1]

    asked = polled.gateway.get("/events", params={"id": job}, headers={"Last-Event-ID": last.id})
    async with asked as answer:
        assert (last.name, answer.status) == ("done", 204)
