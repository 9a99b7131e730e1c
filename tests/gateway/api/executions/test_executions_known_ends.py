"""An end that a gateway has told of is not taken back, also if the gateway only found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.updates import recent_reads

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
