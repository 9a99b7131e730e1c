"""The message source and the task store that the SDK gets in a slot.

Both forward to the slot's client, which makes claims before the SDK asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resonate.streams import anycast, unicast
from shared.resonate.tasks import Tasks

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise
    from resonate.models.message import Mesg

    from shared.resonate.transport import Transport
    from worker.slots.client import SlotClient


class SlotMessageSource:
    """The SDK's message source of one client."""

    def __init__(self, client: SlotClient, group: str, pid: str) -> None:
        self._client = client
        self.unicast = unicast(group, pid)
        self.anycast = anycast(group)

    def start(self) -> None:
        """Do nothing: the worker's one stream serves all slots."""

    def stop(self) -> None:
        """Do nothing: the client ends `next`."""

    def next(self) -> Mesg | None:
        offer = self._client.next_task()
        if offer is None:
            return None
        task = {"id": offer.task, "counter": offer.counter}
        return {"type": offer.kind, "task": task}  # type: ignore[return-value]

    def enqueue(self, mesg: Mesg) -> None:
        raise RuntimeError(f"not part of this service: sending {mesg}")


class SlotTaskStore(Tasks):
    """The SDK's task store of one client, without effect on claims and leases, which are ours."""

    def __init__(self, transport: Transport, client: SlotClient) -> None:
        super().__init__(transport)
        self._client = client

    def claim(
        self, id: str, counter: int, pid: str, ttl: int
    ) -> tuple[DurablePromise, DurablePromise | None]:
        return self._client.claimed()

    def complete(self, id: str, counter: int) -> bool:
        self._client.ended()
        return True

    def heartbeat(self, pid: str) -> int:
        self._client.sdk.wait_stopped()
        return 0
