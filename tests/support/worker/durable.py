"""Runs durable functions as the SDK does, without a server."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import resonate
from resonate.coroutine import LFI, RFI, Promise
from resonate.dependencies import Dependencies
from resonate.registry import Registry

from durable_http.declarations.definition import define
from durable_http.retry import RetryPolicy
from shared.resonate.codec import Failure
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from worker.durable.driver import durable
from worker.errors import Fenced, Rejection
from worker.tasks.board import Board
from worker.tasks.claim_handle import CLAIM_DEPENDENCY, ClaimHandle, NoRecord
from worker.tasks.claims import Claim
from worker.tasks.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from resonate.models.context import Info

    from durable_http import Context, Workflow
    from durable_http.step import Step

    type DurableFunction = Callable[..., Any]


FUNCTIONS = {
    "alpha": define(lambda _, value: value, name="alpha"),
    "beta": define(lambda _, value: value, name="beta", version=2),
}
"""The functions that children may have."""

AT_ONCE = RetryPolicy(max_attempts=3, initial_interval=0, max_interval=0)


@dataclass(frozen=True)
class RunInfo:
    """The SDK's data of a run, which nothing here reads."""

    attempt: int = 1
    idempotency_key: str | None = None
    tags: dict[str, str] | None = None
    timeout: float = 60.0
    version: int = 1


@dataclass(frozen=True)
class StepContext:
    """The SDK's context of a step: only the id under which its outcome is stored."""

    id: str


@dataclass
class FakeSdk:
    """Runs one execution as the SDK does, and stores its steps as the server does.

    `stored` has the steps and children that have ended, by id: whether they succeeded, and the JSON
    of their outcomes. `begun` has the commands of those that were begun; a step runs when it is
    waited for. `names` are those of the steps that were started.
    `interrupt` returns the error to raise at the command with an id, if any.
    """

    stored: dict[str, tuple[bool, str]] = field(default_factory=dict)
    begun: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    interrupt: Callable[[str], BaseException | None] = lambda _: None
    lease_seconds: float = 60.0

    def __post_init__(self) -> None:
        tasks = Tasks(Transport(ServerSettings(), attempt=1, budget=1))
        self.claim = Claim("__invoke:job", 1, "job")
        self.handle = ClaimHandle(
            self.claim,
            Leases(tasks, Board(), self.lease_seconds),
            "worker-1",
            "workers",
            functions=FUNCTIONS,
            steps=self,
        )

    def begin(self, id: str, name: str, *, whole: bool) -> tuple[NoRecord, None]:  # noqa: ARG002
        """Note the name of a step that starts, which has no record here."""
        self.names.append(name)
        return NoRecord(), None

    def run(self, function: DurableFunction, value: object = None, *, id: str = "job") -> Any:
        """Return the decoded result of an execution, or raise what its wrapper raises."""
        dependencies = Dependencies()
        dependencies.add(CLAIM_DEPENDENCY, self.handle)
        info: Info = RunInfo()
        logger = logging.getLogger("test")
        context = resonate.Context(id, id, info, Registry(), dependencies, logger)
        body = durable(define(function, name="tested"))(context, orjson.dumps(value).decode())
        outcome: Any = None
        send: Callable[[Any], Any] = body.send
        while True:
            try:
                command = send(outcome)
            except StopIteration as end:
                return orjson.loads(end.value)
            interruption = self.interrupt(command.id)
            if interruption is not None:
                send, outcome = body.throw, interruption
                continue
            if isinstance(command, (LFI, RFI)):
                self.begun[command.id] = command
                send, outcome = body.send, Promise(command.id, "job")
                continue
            if isinstance(command, Promise):
                command = self.begun[command.id]
            if command.id not in self.stored:
                self._settle(command)
            good, data = self.stored[command.id]
            if isinstance(command, LFI):
                send, outcome = (body.send, data) if good else (body.throw, Rejection(data))
                continue
            encoder = command.opts.encoder
            decoded = data if encoder is None else encoder.decode(data)
            send, outcome = (body.send, decoded) if good else (body.throw, Exception(decoded))

    def failure(self, function: DurableFunction, value: object = None) -> Failure:
        """Return the stored failure of an execution."""
        with pytest.raises(Rejection) as caught:
            self.run(function, value)
        return Failure.decode(str(caught.value))

    def _settle(self, command: Any) -> None:
        attempt = 0
        while True:
            attempt += 1
            try:
                result, good = command.func(StepContext(command.id)), True
            except Exception as error:
                pause = command.opts.retry_policy.next(attempt)
                if pause is not None:
                    self.pauses.append(pause)
                    continue
                result, good = error, False
                if isinstance(error, Fenced):
                    raise
            self.stored[command.id] = (good, str(result))
            return


@dataclass
class Work:
    """A step that raises its errors in turn and then returns; `seen` are the attempts."""

    errors: list[BaseException] = field(default_factory=list)
    result: Any = "done"
    seen: list[Step] = field(default_factory=list)

    def __call__(self, step: Step, *_: object) -> Any:
        self.seen.append(step)
        if self.errors:
            raise self.errors.pop(0)
        return self.result


def one_step(work: Work, **options: Any) -> Callable[[Context, Any], Workflow[Any]]:
    """Return a durable function whose only step is this one."""

    def function(context: Context, value: Any) -> Workflow[Any]:
        return (yield context.step(work, value, name="work", **options))

    return function
