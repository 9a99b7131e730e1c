"""What a durable function sees: its `Context`, and the commands that it yields.

A durable function is a generator: it yields what its `Context` makes and is sent the outcome. It
may be run again from its start at any time, on any worker; what was stored is not done again, its
outcome is sent at once. So the function itself only orders and branches, and everything that
touches the world, the clock or chance is in a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from resonate.coroutine import RFC

from shared.ids import is_signal_name, signal_id
from shared.resonate import tags as tag
from worker.durable.children import ChildEncoder, invocation, result_of, tags_of
from worker.durable.retry import RetryPolicy
from worker.durable.steps import Encoded, StepEncoder, StepRun
from worker.errors import json_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import resonate

    from worker.durable.steps import StepFunction
    from worker.tasks.leases import ClaimHandle


@dataclass(frozen=True)
class Command:
    """What a `Context` returns, to be yielded; what is in it is the SDK's affair.

    `read` makes the outcome of what the SDK sends. If `waits`, that is a command to be yielded too.
    """

    of_sdk: Any
    read: Callable[[Any], Any] = lambda value: value
    waits: bool = False


type Workflow[T] = Generator[Command, Any, T]
"""The return type of a durable function that returns a T, which must be JSON."""

type DurableFunction = Callable[[Context, Any], Workflow[Any]] | StepFunction

DEFAULT_RETRY = RetryPolicy()
ENCODER = StepEncoder()
CHILD_ENCODER = ChildEncoder()


class Context:
    """Makes the commands that a durable function yields."""

    def __init__(self, sdk: resonate.Context, handle: ClaimHandle) -> None:
        self._sdk = sdk
        self._handle = handle

    @property
    def id(self) -> str:
        """The execution's id, as the client knows it."""
        return self._handle.claim.execution

    def step(
        self,
        function: StepFunction,
        *arguments: Any,
        name: str | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        timeout: float | None = None,
    ) -> Command:
        """Run `function(step, *arguments)` once and for all; yields its result, which is JSON.

        It is tried again as `retry` says. When it has failed for good, the `yield` raises
        `StepFailed`. With a `timeout` in seconds, a try that takes longer counts as failed.
        """
        run = self._run_of(function, name, retry, timeout)
        return Command(_stored(self._sdk.run(_body(run, arguments)), run))

    def begin_step(
        self,
        function: StepFunction,
        *arguments: Any,
        name: str | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        timeout: float | None = None,
    ) -> Command:
        """Start a step, as `step` has it, that runs beside what comes next; two run at a time.

        Yields the step; yield that to wait for its result.
        """
        run = self._run_of(function, name, retry, timeout)
        return Command(_stored(self._sdk.begin_run(_body(run, arguments)), run), Command)

    def _run_of(
        self, function: StepFunction, name: str | None, retry: RetryPolicy, timeout: float | None
    ) -> StepRun:
        label = str(name or getattr(function, "__name__", "step"))
        return StepRun(function, label, self._handle, retry, timeout)

    def sleep(self, seconds: float) -> Command:
        """Go on after so many seconds; no worker holds the execution meanwhile."""
        return Command(self._sdk.sleep(float(seconds)))

    def signal(self, name: str, *, timeout: float) -> Command:
        """Wait for a client's signal, which may be there already; yields its value.

        No worker holds the execution meanwhile. The `yield` raises `TimedOut` after so many
        seconds.
        """
        if not is_signal_name(name):
            raise ValueError(f"{name!r} cannot name a signal")
        promise = self._sdk.promise(id=signal_id(self.id, name), tags={tag.SIGNAL: name})
        return Command(RFC(promise.options(timeout=_seconds(timeout)).conv), orjson.loads)

    def begin(self, function: str, value: Any = None, *, timeout: float | None = None) -> Command:
        """Start a child execution of a function of the catalog, on any worker.

        Yields the child; yield that to wait for its result. Its deadline is `timeout` seconds away,
        and never after this execution's. No worker holds this execution while it waits. The `yield`
        of a child that failed raises `StepFailed` with its failure, `TimedOut` if it took too long.
        """
        child = self._sdk.promise(
            data=invocation(self._handle.catalog, function, json_of(value)),
            tags=tags_of(function, self._handle),
        ).options(encoder=CHILD_ENCODER, timeout=None if timeout is None else _seconds(timeout))
        return Command(child, lambda promise: Command(promise, result_of))

    def call(self, function: str, value: Any = None, *, timeout: float | None = None) -> Command:
        """Start a child execution and wait for it, as `begin` has it; yields its result."""
        return replace(self.begin(function, value, timeout=timeout), waits=True)

    def progress(self, done: int, total: int) -> Command:
        """Report how much is done, for clients to see."""

        def report(_: resonate.Context) -> Encoded:
            return Encoded("null")

        command = self._sdk.run(report)
        return Command(
            command.options(encoder=ENCODER, tags={tag.PROGRESS: f"{int(done)}/{int(total)}"})
        )


def _body(run: StepRun, arguments: tuple[Any, ...]) -> Callable[[resonate.Context], Any]:
    def step(sdk: resonate.Context) -> Any:
        return run.run(sdk.id, arguments)

    return step


def _stored(command: Any, run: StepRun) -> Any:
    return command.options(encoder=ENCODER, retry_policy=run, tags={tag.STEP: run.name})


def _seconds(given: float) -> float:
    """Return a time that the SDK does not take for none at all."""
    return max(float(given), 0.001)
