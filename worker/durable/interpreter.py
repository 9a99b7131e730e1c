"""Carries out the commands of a durable function with the SDK."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Base
from resonate.conventions import Sleep as SdkSleep
from resonate.coroutine import LFI, RFI
from resonate.models.result import Ko, Ok

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
from worker.durable.steps import StepRun, outcome_of
from worker.errors import Fenced, Rejection
from worker.store.numbered_parts import numbered_id

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import resonate
    from resonate.models.durable_promise import DurablePromise

    from durable_http.declarations.definition import Definition
    from worker.tasks.claim_handle import ClaimHandle

CHILD_ENCODER: Final = ChildEncoder()

SHORTEST_TIMEOUT: Final = 0.001
"""Seconds; to the SDK a timeout of 0 is none at all."""

type Sent[T] = Generator[Any, Any, T]
"""Yields the SDK's commands; returns the outcome of one of ours."""


@dataclass(frozen=True)
class _Part:
    """A part that has an outcome: how the SDK is asked for it, and how its outcome is read.

    `stored` is its promise if it has ended before; the SDK is not asked then.
    """

    asked: LFI[Any] | RFI[Any]
    read: Callable[[Any], Any]
    stored: DurablePromise | None

    def stored_outcome(self, stored: DurablePromise) -> Any:
        """Return what the SDK would return for the stored promise, or raise what it would."""
        if isinstance(self.asked, LFI):
            return outcome_of(stored)
        match stored.result(self.asked.opts.get_encoder()):
            case Ok(value):
                return value
            case Ko(error):
                raise error


@dataclass(frozen=True)
class _Begun:
    """A step or a child that was begun, and the SDK's handle of it, if the SDK was asked."""

    command: BeginStep | BeginChild
    part: _Part
    handle: Any


class Interpreter:
    """Carries out the commands of one execution, and numbers them."""

    def __init__(self, sdk: resonate.Context, handle: ClaimHandle, *, whole: bool = False) -> None:
        self._sdk = sdk
        self._handle = handle
        self._whole = whole  # whether a step is all of the execution
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
                return (yield from self._outcome(found.part, found.handle))
            case AwaitExecution(id=id, key=key, seconds=seconds):
                return (yield from await_execution(id, key, seconds))
            case Changed(name=name):
                return self._changed(name)
            case _:
                self.position += 1
                return (yield from self._run(command))

    def _run(self, command: Command) -> Sent[Any]:
        match command:
            case BeginStep() | BeginChild():
                return (yield from self._begin(command))
            case ReportProgress(done=done, total=total):
                self._handle.history.record(self._id(), {tag.PROGRESS: f"{done}/{total}"})
                return None
            case RunStep():
                part = self._step(command)
            case CallChild(child=child):
                part = self._child(child)
            case WaitForSignal(name=name, timeout=timeout):
                part = self._signal(name, timeout)
            case Sleep(seconds=seconds):
                part = self._sleep(seconds)
            case _:
                raise TypeError(f"{type(command).__name__} is no command")
        return (yield from self._outcome(part, (yield from self._ask(part))))

    def _begin(self, command: BeginStep | BeginChild) -> Sent[Await]:
        part = self._child(command) if isinstance(command, BeginChild) else self._step(command.step)
        handle = yield from self._ask(part)
        self._begun[self.position] = _Begun(command, part, handle)
        return Await(self.position, command)

    def _ask(self, part: _Part) -> Sent[Any]:
        """Ask the SDK for a part, and return its handle, unless the part has ended before."""
        return None if part.stored is not None else (yield part.asked)

    def _outcome(self, part: _Part, handle: Any) -> Sent[Any]:
        if part.stored is not None:
            return part.read(part.stored_outcome(part.stored))
        try:
            outcome = yield handle
        except Rejection:
            if self._handle.claim.lost is not None:  # the failure could not be stored
                raise Fenced(self._handle.claim.execution) from None
            raise
        return part.read(outcome)

    def _id(self) -> str:
        return numbered_id(self._handle.claim.execution, self.position)

    def _step(self, command: RunStep) -> _Part:
        """Return a step, which the SDK only runs: we store it."""
        id = self._id()
        result = JsonType(result_annotation(command.function))
        run = StepRun(id, command, result, self._handle, whole=self._whole)

        def step(_: resonate.Context) -> str:
            return run.run()

        asked = self._sdk.begin_run(step).options(id=id, durable=False, retry_policy=run)
        read = _reader(self._handle, result, f"step {command.name}")
        stored = self._handle.history.ended(id, {tag.STEP: command.name})
        return _Part(asked, lambda text: read(orjson.loads(text)), stored)

    def _sleep(self, seconds: float) -> _Part:
        asked: RFI[Any] = RFI(SdkSleep(self._id(), seconds))
        stored = self._handle.history.ended(self._id(), {tag.SLEEP: "true"})
        return _Part(asked, lambda _: None, stored)

    def _signal(self, name: str, timeout: float) -> _Part:
        """Return the wait for the next value of a signal.

        The wait's own promise has an id that senders know. So a record in the wait's place says
        what the function has asked for here.
        """
        self._waits[name] += 1
        number = self._waits[name]
        self._handle.history.record(self._id(), {tag.AWAITS: name, tag.NUMBER: str(number)})
        id = signal_id(self._handle.claim.execution, name, number)
        tags = {tag.SIGNAL: name, tag.NUMBER: str(number)}
        asked: RFI[Any] = RFI(Base(id, max(timeout, SHORTEST_TIMEOUT), id, None, tags))
        return _Part(asked, orjson.loads, self._handle.history.ended(id, tags))

    def _child(self, child: BeginChild) -> _Part:
        function, call = self._call(child)
        timeout = function.timeout if child.timeout is None else child.timeout
        # Without a timeout of its own a child ends with its parent, which has this at most.
        limit = LONGEST_TIMEOUT if timeout is None else max(timeout, SHORTEST_TIMEOUT)
        id = self._id()
        tags = child_tags(function, self._handle)
        promise: RFI[Any] = RFI(Base(id, limit, id, call, tags))
        asked = promise.options(encoder=CHILD_ENCODER)
        read = _reader(self._handle, JsonType(child.result), f"child {child.function}")
        stored = self._handle.history.ended(id, tags)
        return _Part(asked, lambda outcome: read(child_result(outcome)), stored)

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

    def _changed(self, name: str) -> bool:
        id = numbered_id(self._handle.claim.execution, self.position + 1)
        if not self._handle.history.takes_change(id, name):
            return False
        self.position += 1
        self._handle.history.record(id, {tag.CHANGED: name})
        return True


def _reader(handle: ClaimHandle, result: JsonType, part: str) -> Callable[[Any], Any]:
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
                handle.history.block(f"{part} with its stored result", found)
            raise

    return read
