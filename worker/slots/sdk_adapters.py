"""What the SDK's client of a lane is given in place of a poller and a task store.

Both only forward to the session, which claims before the SDK asks and knows when it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resonate.tasks import Tasks

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise
    from resonate.models.message import Mesg

    from shared.resonate.transport import Transport
    from worker.slots.slot import Session


class SessionSource:
    """The SDK's message source of one session."""

    def __init__(self, session: Session, group: str, pid: str) -> None:
        self._session = session
        self.unicast = f"poll://uni@{group}/{pid}"
        self.anycast = f"poll://any@{group}"

    def start(self) -> None:
        """Nothing to start: the worker's one stream serves all lanes."""

    def stop(self) -> None:
        """Nothing to stop: the session ends `next`."""

    def next(self) -> Mesg | None:
        message = self._session.next_task()
        if message is None:
            return None
        task = {"id": message.task, "counter": message.counter}
        return {"type": message.kind, "task": task}  # type: ignore[return-value]

    def enqueue(self, mesg: Mesg) -> None:
        raise RuntimeError(f"not part of this service: sending {mesg}")


class SessionTasks(Tasks):
    """The SDK's task store of one session: claims and leases are the worker's own."""

    def __init__(self, transport: Transport, session: Session) -> None:
        super().__init__(transport)
        self._session = session

    def claim(
        self, id: str, counter: int, pid: str, ttl: int
    ) -> tuple[DurablePromise, DurablePromise | None]:
        return self._session.claimed()

    def complete(self, id: str, counter: int) -> bool:
        self._session.ended()
        return True

    def heartbeat(self, pid: str) -> int:
        self._session.wait_stopped()
        return 0
