"""The server's tasks and locks, and what of the SDK's protocols nothing here uses."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NoReturn

from shared.resonate.transport import Refused

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise
    from resonate.models.schedules import Schedule

    from shared.resonate.transport import Transport


NO_COUNTER: Final = -1
"""Counters begin at 1, so a claim with this one is never granted."""


class TaskState(Enum):
    """What the server says of a task; the values are its codes."""

    HELD = 40306
    OVER = 40307
    FREE = 40308
    UNKNOWN = 40403


class Tasks:
    """The SDK's `TaskStore` and `drop`. All verbs raise `Refused` or `Unanswered`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def claim(
        self, id: str, counter: int, pid: str, ttl: int
    ) -> tuple[DurablePromise, DurablePromise | None]:
        unused("claims by the SDK: the worker makes its own")

    def claim_raw(
        self, id: str, counter: int, pid: str, ttl: int
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Claim a task and return its root and leaf promise as the server's JSON.

        Tried once: a repeated claim would be refused.
        """

        def read(answer: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
            promises = answer["promises"]
            root, leaf = promises["root"]["data"], promises.get("leaf")
            return dict(root), dict(leaf["data"]) if leaf else None

        body = {"id": id, "counter": counter, "processId": pid, "ttl": ttl}
        return self._transport.call("POST", "/tasks/claim", body, read=read, retry=False)

    def state(self, id: str) -> TaskState:
        """Tell whether a worker holds the task, which the server has no verb for.

        It is told from why a claim that cannot be granted is refused; the server only reads.
        """
        body = {"id": id, "counter": NO_COUNTER, "processId": "nobody", "ttl": 0}
        try:
            self._transport.call("POST", "/tasks/claim", body, read=read_nothing)
        except Refused as refusal:
            try:
                return TaskState(refusal.code)
            except ValueError:
                raise refusal from None
        return TaskState.UNKNOWN

    def complete(self, id: str, counter: int) -> bool:
        self._transport.call(
            "POST", "/tasks/complete", {"id": id, "counter": counter}, read=read_nothing
        )
        return True

    def drop(self, id: str, counter: int, *, budget: float | None = None) -> None:
        """Hand a claimed task back; another worker has it within a tick or two of the server."""
        body = {"id": id, "counter": counter}
        self._transport.call("POST", "/tasks/drop", body, read=read_nothing, budget=budget)

    def heartbeat(self, pid: str) -> int:
        """Renew the leases of all that this process holds; return how many those are."""

        def read(answer: Any) -> int:
            return int(answer["tasksAffected"])

        body = {"processId": pid}
        return self._transport.call("POST", "/tasks/heartbeat", body, read=read, budget=0)


class Locks:
    """The server's locks, which the SDK has no verb for. Raises `Refused` and `Unanswered`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def acquire(self, resource: str, holder: str, pid: str, milliseconds: int) -> None:
        """Hold a lock for so long, or longer if it is ours; refused if another holder has it."""
        body = {
            "resourceId": resource,
            "executionId": holder,
            "processId": pid,
            "ttl": milliseconds,
        }
        self._transport.call("POST", "/locks/acquire", body, read=read_nothing, budget=0)


class Schedules:
    """The SDK's `ScheduleStore`, which nothing here uses."""

    def create(  # noqa: PLR0913 - the SDK's protocol
        self,
        id: str,
        cron: str,
        promise_id: str,
        promise_timeout: int,
        *,
        ikey: str | None = None,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        promise_headers: dict[str, str] | None = None,
        promise_data: str | None = None,
        promise_tags: dict[str, str] | None = None,
    ) -> Schedule:
        unused("schedules")

    def get(self, id: str) -> Schedule:
        unused("schedules")

    def delete(self, id: str) -> None:
        unused("schedules")


def read_nothing(_: Any) -> None:
    """Take an answer for what it is: its status says it all."""


def unused(what: str) -> NoReturn:
    """Raise: the SDK asked for what this service never uses of it."""
    raise RuntimeError(f"not part of this service: {what}")
