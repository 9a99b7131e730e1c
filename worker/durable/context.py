"""What a durable function uses: its `Context`, and the commands that it yields.

A durable function is a generator: it yields commands of its `Context` and is sent their outcomes.
It may run again from its first line at any time, on any worker. A step that has finished is then
not repeated: its stored outcome is sent at once. So the function itself only orders and branches,
and everything that uses the outside world, the clock or chance belongs in a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.coroutine import RFC

from shared.ids import is_signal_name, signal_id
from shared.resonate import tags as tag
from worker.durable.arguments import (
    checked_limit,
    checked_name,
    checked_report,
    checked_seconds,
)
from worker.durable.children import ChildEncoder, child_result, child_tags, encoded_call
from worker.durable.retry import RetryPolicy
from worker.durable.steps import EncodedResult, StepEncoder, StepRun
from worker.durable.values import json_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import resonate

    from worker.durable.steps import StepFunction
    from worker.tasks.leases import ClaimHandle


@dataclass(frozen=True)
class Command:
    """What a `Context` returns, to be yielded.

    `for_sdk` is the SDK's own command, and `read` makes the outcome of the SDK's answer. If `waits`
    is set, the outcome is another command, which is yielded to the SDK as well.
    """

    for_sdk: Any
    read: Callable[[Any], Any] = lambda value: value
    waits: bool = False


type Workflow[T] = Generator[Command, Any, T]
"""The return type of a durable function that returns a T, which must be JSON."""

type DurableFunction = Callable[[Context, Any], Workflow[Any]] | StepFunction

DEFAULT_RETRY: Final = RetryPolicy()
ENCODER: Final = StepEncoder()
CHILD_ENCODER: Final = ChildEncoder()


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
        """Run `function(step, *arguments)`; the `yield` returns its result, which must be JSON.

        A failed attempt is repeated as `retry` says. After the last one the `yield` raises
        `StepFailed`. With a `timeout` in seconds, an attempt that takes longer counts as failed;
        None is the worker's default, `math.inf` is no limit.
        """
        run = self._step_run(function, name, retry, timeout)
        return Command(_with_options(self._sdk.run(_attempt(run, arguments)), run))

    def begin_step(
        self,
        function: StepFunction,
        *arguments: Any,
        name: str | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        timeout: float | None = None,
    ) -> Command:
        """Start a step, as `step` does, and go on beside it; two steps run at the same time.

        The `yield` returns the step; yield the step to wait for its result.
        """
        run = self._step_run(function, name, retry, timeout)
        return Command(_with_options(self._sdk.begin_run(_attempt(run, arguments)), run), Command)

    def _step_run(
        self, function: StepFunction, name: str | None, retry: RetryPolicy, timeout: float | None
    ) -> StepRun:
        label = checked_name(getattr(function, "__name__", "step") if name is None else name)
        # Infinite is no limit, None is the worker's default.
        limit = timeout if timeout == math.inf else checked_limit(timeout, "a step's timeout")
        return StepRun(function, label, self._handle, retry, limit)

    def sleep(self, seconds: float) -> Command:
        """Go on after this many seconds; meanwhile no worker holds the execution."""
        return Command(self._sdk.sleep(checked_seconds(seconds, "a sleep")))

    def signal(self, name: str, *, timeout: float) -> Command:
        """Wait for a client's signal; the `yield` returns its value.

        A signal that came before is returned at once. No worker holds the execution while it
        waits. After `timeout` seconds the `yield` raises `TimedOut`.
        """
        if not is_signal_name(name):
            raise ValueError(f"{name!r} cannot name a signal")
        limit = _sdk_timeout(timeout, "a signal's timeout")
        promise = self._sdk.promise(id=signal_id(self.id, name), tags={tag.SIGNAL: name})
        return Command(RFC(promise.options(timeout=limit).conv), orjson.loads)

    def begin(self, function: str, value: Any = None, *, timeout: float | None = None) -> Command:
        """Start a child execution of a function of the catalog, on any worker.

        The `yield` returns the child; yield the child to wait for its result. The child's deadline
        is `timeout` seconds away, and never after the deadline of this execution. No worker holds
        this execution while it waits. Waiting raises `StepFailed` if the child failed, with the
        child's failure, and `TimedOut` if the child took too long.
        """
        input_json = json_of(value, self._handle.max_result_bytes, f"the input of {function}")
        limit = None if timeout is None else _sdk_timeout(timeout, "a child's timeout")
        promise = self._sdk.promise(
            data=encoded_call(self._handle.catalog, function, input_json),
            tags=child_tags(function, self._handle),
        )
        child = promise.options(encoder=CHILD_ENCODER, timeout=limit)
        return Command(child, lambda begun: Command(begun, child_result))

    def call(self, function: str, value: Any = None, *, timeout: float | None = None) -> Command:
        """Start a child execution, as `begin` does, and wait; the `yield` returns its result."""
        return replace(self.begin(function, value, timeout=timeout), waits=True)

    def progress(self, done: int, total: int) -> Command:
        """Report to clients how much is done."""
        report_of = f"{checked_report(done, 'done')}/{checked_report(total, 'total')}"

        def report(_: resonate.Context) -> EncodedResult:
            return EncodedResult("null")

        command = self._sdk.run(report)
        return Command(command.options(encoder=ENCODER, tags={tag.PROGRESS: report_of}))


def _attempt(run: StepRun, arguments: tuple[Any, ...]) -> Callable[[resonate.Context], Any]:
    def step(sdk: resonate.Context) -> Any:
        return run.run(sdk.id, arguments)

    return step


def _with_options(command: Any, run: StepRun) -> Any:
    return command.options(encoder=ENCODER, retry_policy=run, tags={tag.STEP: run.name})


def _sdk_timeout(seconds: float, what: str) -> float:
    """Return a timeout for the SDK, for which 0 means none at all."""
    return max(checked_seconds(seconds, what), 0.001)
