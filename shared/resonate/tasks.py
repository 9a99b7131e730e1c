"""The server's tasks and locks, and the unused parts of the SDK's protocols."""

from __future__ import annotations

import secrets
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

from shared.ids import stored_id
from shared.resonate.transport import FENCED, PROMISE_EXISTS, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resonate.models.callback import Callback
    from resonate.models.durable_promise import DurablePromise
    from resonate.models.schedules import Schedule
    from resonate.models.task import Task

    from shared.resonate.transport import Transport


NO_COUNTER: Final = -1
"""Counter with which a claim is never granted: real counters begin at 1."""

NO_TASK: Final = "none"
"""Id that no task has: ids of real tasks begin with `__`."""

LOCK_UNKNOWN: Final = 40402
"""The server's code for a lock that does not exist."""

HAND_BACK_MILLISECONDS: Final = 60_000
"""How long the lock of `hand_back` stays where no trigger deletes it, so that it can be seen."""


class TaskState(Enum):
    """State of a task; the values are the server's codes for a refused claim."""

    HELD = 40306
    OVER = 40307
    FREE = 40308
    UNKNOWN = 40403


class Tasks:
    """The SDK's `TaskStore` and `drop`. All methods raise `Refused` or `Unanswered`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def claim(
        self, id: str, counter: int, pid: str, ttl: int
    ) -> tuple[DurablePromise, DurablePromise | None]:
        unused("claims by the SDK; the worker uses claim_raw")

    def claim_raw(
        self, id: str, counter: int, pid: str, ttl: int
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Claim a task and return its root and leaf promise as the server's JSON.

        The call is made once, because the server refuses a repeated claim.
        """

        def read(answer: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
            promises = answer["promises"]
            root, leaf = promises["root"]["data"], promises.get("leaf")
            return dict(root), dict(leaf["data"]) if leaf else None

        body = {"id": id, "counter": counter, "processId": pid, "ttl": ttl}
        return self._transport.call("POST", "/tasks/claim", body, read=read, retry=False)

    def state(self, id: str) -> TaskState:
        """Return whether a worker holds the task.

        The server has no call for this. So this method makes a claim that the server never grants:
        the code of the refusal is the state. The server only reads its store for that.
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

    def prompt(self) -> None:
        """Make the server take a turn, in which it offers the tasks that are due.

        The server has no call for this, but each call has that effect. This one asks for a claim of
        no task, so the server only reads its store.
        """
        body = {"id": NO_TASK, "counter": NO_COUNTER, "processId": "nobody", "ttl": 0}
        try:
            self._transport.call("POST", "/tasks/claim", body, read=read_nothing, budget=0)
        except Refused as refusal:
            if refusal.code != TaskState.UNKNOWN.value:
                raise

    def holds(self, execution_id: str, fence: Mapping[str, str]) -> bool:
        """Return whether the server keeps this very claim, and its execution has not ended.

        The server has no call for this. So this method creates a promise that exists already, the
        execution's own: the fence is refused with 412, the id with 409. No value is read for that.
        """
        body = {"id": stored_id(execution_id), "timeout": 0}
        try:
            self._transport.call("POST", "/promises", body, fence, read=read_nothing, budget=0)
        except Refused as refusal:
            if refusal.code not in {PROMISE_EXISTS, FENCED}:
                raise
            return refusal.code == PROMISE_EXISTS
        return False  # the store has lost the execution

    def complete(self, id: str, counter: int) -> bool:
        self._transport.call(
            "POST", "/tasks/complete", {"id": id, "counter": counter}, read=read_nothing
        )
        return True

    def drop(self, id: str, counter: int, *, budget: float | None = None) -> None:
        """Hand a claimed task back; the server offers it to another worker in a tick or two."""
        body = {"id": id, "counter": counter}
        self._transport.call("POST", "/tasks/drop", body, read=read_nothing, budget=budget)

    def heartbeat(self, pid: str) -> int:
        """Renew the leases of all tasks that this process holds; return their number."""

        def read(answer: Any) -> int:
            return int(answer["tasksAffected"])

        body = {"processId": pid}
        return self._transport.call("POST", "/tasks/heartbeat", body, read=read, budget=0)


class Locks:
    """The server's locks, which the SDK cannot use. Raises `Refused` and `Unanswered`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def acquire(self, resource: str, holder: str, pid: str, milliseconds: int) -> None:
        """Acquire a lock, or extend it if `holder` has it. Refused if another holder has it."""
        body = {
            "resourceId": resource,
            "executionId": holder,
            "processId": pid,
            "ttl": milliseconds,
        }
        self._transport.call("POST", "/locks/acquire", body, read=read_nothing, budget=0)

    def hand_back(self, tasks: Mapping[str, int]) -> bool:
        """Have the store take claims and offers back, by task and counter, all in one call.

        What others have meanwhile is left to them. Returns False if the store cannot do that: its
        triggers (deploy/store) are missing, or those of an earlier release.
        """
        lock = {
            "resourceId": f"dead.{secrets.token_hex(16)}",
            "executionId": orjson.dumps(tasks).decode(),
        }
        body = {**lock, "processId": "nobody", "ttl": HAND_BACK_MILLISECONDS}
        self._transport.call("POST", "/locks/acquire", body, read=read_nothing)
        try:
            self._transport.call("POST", "/locks/release", lock, read=read_nothing)
        except Refused as refusal:
            if refusal.code != LOCK_UNKNOWN:
                raise
            return True
        return False


class UnusedPromiseVerbs:
    """The verbs of the SDK's `PromiseStore` that this service does not use."""

    def create_with_task(  # noqa: PLR0913 - the SDK's protocol
        self,
        id: str,
        timeout: int,
        pid: str,
        ttl: int,
        *,
        ikey: str | None = None,
        strict: bool = False,
        headers: dict[str, str] | None = None,
        data: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> tuple[DurablePromise, Task | None]:
        unused("starting an execution in the process that asks for it")

    def subscribe(
        self, id: str, promise_id: str, recv: str, timeout: int
    ) -> tuple[DurablePromise, Callback | None]:
        unused("the SDK's own subscriptions")


class Schedules:
    """The SDK's `ScheduleStore`, which this service does not use."""

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
    """Read an answer of which only the status matters."""


def unused(feature: str) -> NoReturn:
    """Raise `RuntimeError`: the SDK made a call that this service never needs."""
    raise RuntimeError(f"not used by this service: {feature}")
