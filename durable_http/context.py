"""What a durable function uses: its `Context`, which makes the commands that the function yields.

A durable function is a generator: it yields commands of its `Context` and is sent their outcomes.
It may run again from its first line at any time, on any worker. A step that has finished is then
not repeated: its stored outcome is sent at once. So the function itself only orders and branches,
and everything that uses the outside world, the clock or chance belongs in a step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from durable_http.arguments import (
    checked_change,
    checked_limit,
    checked_name,
    checked_report,
    checked_seconds,
    checked_signal,
    checked_step,
)
from durable_http.commands import (
    BeginChild,
    BeginStep,
    CallChild,
    Changed,
    Command,
    Omitted,
    ReportProgress,
    RunStep,
    Sleep,
    WaitForSignal,
)
from durable_http.copies import copied
from durable_http.declarations.definition import definition_of
from durable_http.retry import DEFAULT_RETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import timedelta

    from durable_http.declarations.definition import Definition
    from durable_http.retry import RetryPolicy
    from durable_http.step import StepFunction

    type Seconds = float | timedelta

type Workflow[T] = Generator[Command, Any, T]
"""The return type of a durable function that returns a T, which must be JSON."""


class Context:
    """Makes the commands of one execution.

    `id` is the execution's id, as the client knows it. `retry` is for steps without a policy.
    """

    def __init__(self, id: str, retry: RetryPolicy = DEFAULT_RETRY) -> None:
        self.id = id
        self._retry = retry

    def step(
        self,
        function: StepFunction,
        *arguments: Any,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: Seconds | None = None,
    ) -> RunStep:
        """Run `function(step, *arguments)`; the `yield` returns its result, which must be JSON.

        The result is what JSON has kept of it, as the annotation of the step's result says. Each
        attempt gets a copy of the arguments. A failed attempt is repeated as `retry` says. After
        the last one the `yield` raises `StepFailed`. With a `timeout`, in seconds, an attempt that
        takes longer counts as failed; None is the worker's default, `math.inf` is no limit.
        """
        checked_step(function)
        label = checked_name(getattr(function, "__name__", "step") if name is None else name)
        # Infinite is no limit, None is the worker's default.
        limit = math.inf if timeout == math.inf else checked_limit(timeout, "a step's timeout")
        return RunStep(function, copied(arguments), label, retry or self._retry, limit)

    def begin_step(
        self,
        function: StepFunction,
        *arguments: Any,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: Seconds | None = None,
    ) -> BeginStep:
        """Start a step, as `step` does, and go on beside it; two steps run at the same time.

        The `yield` returns the step; yield the step to wait for its result.
        """
        return BeginStep(self.step(function, *arguments, name=name, retry=retry, timeout=timeout))

    def sleep(self, seconds: Seconds) -> Sleep:
        """Go on after this time; meanwhile no worker holds the execution."""
        return Sleep(checked_seconds(seconds, "a sleep"))

    def signal(self, name: str, *, timeout: Seconds) -> WaitForSignal:
        """Wait for the next value that a client sends under this name; the `yield` returns it.

        Values are kept in order: the first wait for a name gets the first value, also one that came
        before. No worker holds the execution while it waits. After `timeout` seconds the `yield`
        raises `TimedOut`.
        """
        return WaitForSignal(checked_signal(name), checked_seconds(timeout, "a signal's timeout"))

    def begin(
        self,
        function: str | Callable[..., Any],
        value: Any = Omitted.INPUT,
        *,
        timeout: Seconds | None = None,
    ) -> BeginChild:
        """Start a child execution of a durable function, or of the one with a name, on any worker.

        Without a `value` its input is the function's default input.

        The `yield` returns the child; yield the child to wait for its result. The child's deadline
        is `timeout` seconds away, and never after the deadline of this execution. No worker holds
        this execution while it waits. Waiting raises `StepFailed` if the child failed, with the
        child's failure, and `TimedOut` if the child took too long.
        """
        limit = checked_limit(timeout, "a child's timeout")
        if isinstance(function, str):
            return BeginChild(function, value, limit)
        definition = definition_of(function)
        return BeginChild(definition.name, value, limit, definition.result)

    def call(
        self,
        function: str | Callable[..., Any],
        value: Any = Omitted.INPUT,
        *,
        timeout: Seconds | None = None,
    ) -> CallChild:
        """Start a child execution, as `begin` does, and wait; the `yield` returns its result."""
        return CallChild(self.begin(function, value, timeout=timeout))

    def progress(self, done: int, total: int) -> ReportProgress:
        """Report to clients how much is done."""
        return ReportProgress(checked_report(done, "done"), checked_report(total, "total"))

    def changed(self, name: str) -> Changed:
        """Find out whether to run the code after a change of the function.

        The `yield` returns False for an execution that had passed this line before the change, and
        True for all others. An execution gets the same answer each time.
        """
        return Changed(checked_change(name))


def input_of(child: BeginChild, definition: Definition) -> Any:
    """Return the input of a child of this function."""
    return definition.default_input if child.input is Omitted.INPUT else child.input
