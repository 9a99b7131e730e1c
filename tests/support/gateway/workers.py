"""Workers that speak to a gateway, without their connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.presence import Hello

if TYPE_CHECKING:
    from gateway.presence.workers import Worker, Workers
    from shared.presence import Claimed, Ended, Offers, Restated, Running


def speaking(
    workers: Workers,
    *messages: Claimed | Running | Ended | Offers | Restated,
    name: str = "worker-1",
) -> Worker:
    """Return a worker that has a connection and has just said this."""
    worker = workers.enter(Hello("secret", name, f"pid-of-{name}", "worker", 16, 0, {"foo": [1]}))
    worker.connections.add(object())
    for message in messages:
        worker.hear(message)
    return worker
