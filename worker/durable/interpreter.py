"""Carries out the commands of a durable function with the SDK."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Base
from resonate.conventions import Sleep as SdkSleep
from resonate.coroutine import RFC, RFI

from durable_http.commands import (
    NOT_BEGUN,
    Await,
    BeginChild,
    BeginStep,
    CallChild,
    Changed,
    Command,
    ReportProgress,
    RunStep,
    Sleep,
    WaitForSignal,
)
from durable_http.declarations.definition import LONGEST_TIMEOUT
from durable_http.errors import NonRetryableError
from durable_http.types import InvalidValue, JsonType, result_annotation
from shared.ids import signal_id
from shared.resonate import tags as tag
from worker.durable.children import (
    ChildEncoder,
    child_function,
    child_result,
    child_tags,
    encoded_call,
)
from worker.durable.other_executions import AwaitExecution, await_execution
from worker.durable.steps import EncodedResult, StepEncoder, StepRun
from worker.store.numbered_parts import numbered_id

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import resonate

    from durable_http.declarations.definition import Definition
    from worker.tasks.claim_handle import ClaimHandle

ENCODER: Final = StepEncoder()
CHILD_ENCODER: Final = ChildEncoder()

SHORTEST_TIMEOUT: Final = 0.001
"""Seconds; to the SDK a timeout of 0 is none at all."""

type Sent[T] = Generator[Any, Any, T]
"""Yields the SDK's commands; returns the outcome of one of ours."""


@dataclass(frozen=True)
class _Begun:
    """A step or a child that was begun: the SDK's handle of it, and how its outcome is read."""

    command: BeginStep | BeginChild
    handle: Any
    read: Callable[[Any], Any]


class Interpreter:
    """Carries out the commands of one execution, and numbers them."""

    def __init__(self, sdk: resonate.Context, handle: ClaimHandle) -> None:
        self._sdk = sdk
        self._handle = handle
        self._begun: dict[int, _Begun] = {}
        self._waits: Counter[str] = Counter()
        self.position = 0
        """The number of the latest part."""

    def run(self, command: Command) -> Sent[Any]:
        """Carry out a command and return its outcome."""
        match command:
            case Await(number=number, begun=begun):
                found = self._begun.get(number)
                if found is None or found.command is not begun:
                    raise TypeError(NOT_BEGUN)
                return found.read((yield found.handle))
            case AwaitExecution(id=id, key=key, seconds=seconds):
                return (yield from await_execution(id, key, seconds))
            case Changed(name=name):
                return self._changed(name)
            case _:
                self.position += 1
                return (yield from self._run(command))

    def _run(self, command: Command) -> Sent[Any]:
        match command:
            case RunStep():
                sdk_command, read = self._step(command, self._sdk.run)
                return read((yield sdk_command))
            case CallChild(child=child):
                sdk_command, read = self._child(child)
                return read((yield (yield sdk_command)))
            case BeginStep() | BeginChild():
                return (yield from self._begin(command))
            case WaitForSignal(name=name, timeout=timeout):
                return orjson.loads((yield self._signal(name, timeout)))
            case Sleep(seconds=seconds):
                return (yield RFC(SdkSleep(self._id(), seconds)))
            case ReportProgress(done=done, total=total):
                return (yield self._progress(f"{done}/{total}"))
            case _:
                raise TypeError(f"{type(command).__name__} is no command")

    def _begin(self, command: BeginStep | BeginChild) -> Sent[Await]:
        if isinstance(command, BeginStep):
            sdk_command, read = self._step(command.step, self._sdk.begin_run)
        else:
            sdk_command, read = self._child(command)
        self._begun[self.position] = _Begun(command, (yield sdk_command), read)
        return Await(self.position, command)

    def _id(self) -> str:
        return numbered_id(self._handle.claim.execution, self.position)

    def _step(
        self, command: RunStep, make: Callable[[Any], Any]
    ) -> tuple[Any, Callable[[Any], Any]]:
        result = JsonType(result_annotation(command.function))
        run = StepRun(command, result, self._handle)

        def step(sdk: resonate.Context) -> EncodedResult:
            return run.run(sdk.id)

        sdk_command = make(step).options(
            id=self._id(), encoder=ENCODER, retry_policy=run, tags={tag.STEP: command.name}
        )
        return sdk_command, self._reader(result, f"step {command.name}")

    def _signal(self, name: str, timeout: float) -> Any:
        """Return the command that waits for the next value of a signal.

        The wait's own promise has an id that senders know. So a record in the wait's place says
        what the function has asked for here.
        """
        self._waits[name] += 1
        number = self._waits[name]
        self._handle.history.record(self._id(), {tag.AWAITS: name, tag.NUMBER: str(number)})
        id = signal_id(self._handle.claim.execution, name, number)
        tags = {tag.SIGNAL: name, tag.NUMBER: str(number)}
        return RFC(Base(id, max(timeout, SHORTEST_TIMEOUT), id, None, tags))

    def _child(self, child: BeginChild) -> tuple[Any, Callable[[Any], Any]]:
        function, call = self._call(child)
        timeout = function.timeout if child.timeout is None else child.timeout
        # Without a timeout of its own a child ends with its parent, which has this at most.
        limit = LONGEST_TIMEOUT if timeout is None else max(timeout, SHORTEST_TIMEOUT)
        id = self._id()
        promise: RFI[Any] = RFI(Base(id, limit, id, call, child_tags(function, self._handle)))
        result = JsonType(child.result)
        read = self._reader(result, f"child {child.function}")
        return promise.options(encoder=CHILD_ENCODER), lambda stored: read(child_result(stored))

    def _call(self, child: BeginChild) -> tuple[Definition, str]:
        """Return the function of a child and its call. Raises `ValueError` and as `encoded_call`.

        Whether a child is refused depends on this worker. If it is stored it was not refused
        before, so another worker may go on.
        """
        try:
            function = child_function(self._handle.functions, child.function)
            return function, encoded_call(child, function, self._handle.max_result_bytes)
        except (ValueError, NonRetryableError) as error:
            found = f"child {child.function}: {error}"
            self._handle.history.refuse(self._id(), child.function, found)
            raise

    def _progress(self, report_of: str) -> Any:
        def report(_: resonate.Context) -> EncodedResult:
            return EncodedResult("null")

        tags = {tag.PROGRESS: report_of}
        return self._sdk.run(report).options(id=self._id(), encoder=ENCODER, tags=tags)

    def _changed(self, name: str) -> bool:
        id = numbered_id(self._handle.claim.execution, self.position + 1)
        if not self._handle.history.takes_change(id, name):
            return False
        self.position += 1
        self._handle.history.record(id, {tag.CHANGED: name})
        return True

    def _reader(self, result: JsonType, part: str) -> Callable[[Any], Any]:
        """Return how the stored result of a part is converted.

        It was checked when it was stored. If it does not fit, the annotation has changed since
        then, or the type's own code has refused it now, which is an error at the `yield`.
        """

        def read(stored: Any) -> Any:
            try:
                return result.convert(stored)
            except InvalidValue as error:
                if not error.by_code:
                    found = f"{part}: {error}"
                    self._handle.history.block(f"{part} with its stored result", found)
                raise

        return read
