"""Durable functions and their steps, driven as the SDK drives them, without a server."""

from __future__ import annotations

import inspect
import logging
import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import resonate
from resonate.coroutine import LFI, RFI, Promise
from resonate.dependencies import Dependencies
from resonate.errors import ResonateCanceledError, ResonateTimedoutError
from resonate.registry import Registry

from shared.catalog import SHIPPED
from shared.resonate import tags as tag
from shared.resonate.codec import Failure, decode_call
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from worker.durable.driver import durable
from worker.durable.retry import RetryPolicy
from worker.durable.steps import Encoded, Step, StepEncoder
from worker.errors import Fenced, NonRetryableError, Rejection, StepFailed, StepTimeout, describe
from worker.tasks.claims import Claim
from worker.tasks.leases import CLAIM_DEPENDENCY, ClaimHandle, Leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from resonate.models.context import Info

    from worker.durable.context import Context, DurableFunction, Workflow

AT_ONCE = RetryPolicy(max_attempts=3, initial_interval=0, max_interval=0)


@dataclass(frozen=True)
class RunInfo:
    """What the SDK tells of a run; nothing here asks for it."""

    attempt: int = 1
    idempotency_key: str | None = None
    tags: dict[str, str] | None = None
    timeout: float = 60.0
    version: int = 1


@dataclass(frozen=True)
class StepContext:
    """What a step is told by the SDK: the id under which its outcome is stored."""

    id: str


@dataclass
class Engine:
    """Runs one execution as the SDK does, and stores its steps as the server does.

    `stored` are steps and children that have ended, by id: whether it went well, and the JSON.
    What was begun and is not waited for yet is in `begun`, and runs when it is waited for.
    """

    stored: dict[str, tuple[bool, str]] = field(default_factory=dict)
    begun: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    interrupt: Callable[[str], BaseException | None] = lambda _: None
    lease_seconds: float = 60.0

    def __post_init__(self) -> None:
        tasks = Tasks(Transport(ServerSettings(), attempt=1, budget=1))
        self.claim = Claim("__invoke:job", 1, "job")
        self.handle = ClaimHandle(
            self.claim, Leases(tasks, "pid", self.lease_seconds), "worker-1", "workers", SHIPPED
        )

    def run(self, function: DurableFunction, value: object = None, *, id: str = "job") -> Any:
        """Return the result of an execution, decoded; raises what its wrapper raises."""
        dependencies = Dependencies()
        dependencies.add(CLAIM_DEPENDENCY, self.handle)
        info: Info = RunInfo()
        logger = logging.getLogger("test")
        sdk = resonate.Context(id, id, info, Registry(), dependencies, logger)
        body = durable(function)(sdk, orjson.dumps(value).decode())
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
            decoded = command.opts.encoder.decode(data)
            send, outcome = (body.send, decoded) if good else (body.throw, Exception(decoded))

    def failure(self, function: DurableFunction, value: object = None) -> Failure:
        """Return how an execution failed, as it is stored."""
        with pytest.raises(Rejection) as caught:
            self.run(function, value)
        return Failure.decode(str(caught.value))

    def _settle(self, command: Any) -> None:
        self.tags.append(command.conv.tags)
        tries = 0
        while True:
            tries += 1
            try:
                result, good = command.func(StepContext(command.id)), True
            except Exception as error:
                pause = command.opts.retry_policy.next(tries)
                if pause is not None:
                    self.pauses.append(pause)
                    continue
                result, good = error, False
                if isinstance(error, Fenced):
                    raise
            self.stored[command.id] = (good, command.opts.encoder.encode(result))
            return


@dataclass
class Work:
    """A step that raises its errors in turn and then returns; `seen` are the tries."""

    errors: list[BaseException] = field(default_factory=list)
    result: Any = "done"
    seen: list[Step] = field(default_factory=list)

    def __call__(self, step: Step, *_: object) -> Any:
        self.seen.append(step)
        if self.errors:
            raise self.errors.pop(0)
        return self.result


def one_step(work: Work, **options: Any) -> Callable[[Context, Any], Workflow[Any]]:
    """Return a function with this step and no other."""

    def function(context: Context, value: Any) -> Workflow[Any]:
        return (yield context.step(work, value, name="work", **options))

    return function


def test_steps_run_in_order() -> None:
    """Each yield runs its step and is sent its result before the function goes on."""
    order: list[object] = []

    def note(_: Step, *what: object) -> list[object]:
        order.append(what)
        return list(what)

    def function(context: Context, value: int) -> Workflow[dict[str, Any]]:
        first = yield context.step(note, "first", value)
        order.append("between")
        second = yield context.step(note, "second", first)
        return {"id": context.id, "results": [first, second]}

    assert Engine().run(function, 7) == {
        "id": "job",
        "results": [["first", 7], ["second", ["first", 7]]],
    }
    assert order == [("first", 7), "between", ("second", ["first", 7])]


def test_what_is_stored_is_not_done_again() -> None:
    """A function that is run again is sent what its steps returned or failed with before."""
    first, second, third = Work(result=1), Work([NonRetryableError("no")]), Work(result=3)

    def function(context: Context, _: Any) -> Workflow[list[object]]:
        got: list[object] = [(yield context.step(first))]
        try:
            yield context.step(second, name="second")
        except StepFailed as error:
            got.append(error.failure.type)
        return [*got, (yield context.step(third))]

    engine = Engine()
    result = engine.run(function)

    again = Engine(engine.stored)
    assert again.run(function) == result == [1, "NonRetryableError", 3]
    assert [len(work.seen) for work in (first, second, third)] == [1, 1, 1]


def test_a_step_is_told_about_itself() -> None:
    """A step knows its execution, its name, its try and a key that is the same for every try."""
    work = Work([ValueError("1"), ValueError("2")])
    engine = Engine()

    engine.run(one_step(work, retry=AT_ONCE))

    (key,) = {step.idempotency_key for step in work.seen}
    assert [(step.execution, step.name, step.attempt) for step in work.seen] == [
        ("job", "work", attempt) for attempt in (1, 2, 3)
    ]
    assert list(engine.stored) == [key]


def test_every_step_has_its_own_key() -> None:
    """Two calls of one function in one execution have two keys, the same in every run of it."""
    works = Work(), Work()

    def function_with(work: Work) -> Callable[[Context, Any], Workflow[None]]:
        def function(context: Context, _: Any) -> Workflow[None]:
            yield context.step(work)
            yield context.step(work)

        return function

    for work in works:
        Engine().run(function_with(work))

    keys, again = ([step.idempotency_key for step in work.seen] for work in works)
    assert keys == again
    assert len(set(keys)) == 2


@pytest.mark.parametrize(("given", "name"), [(None, "named"), ("other", "other")])
def test_a_step_is_named(given: str | None, name: str) -> None:
    """A step has the name of its function unless it is given one, and the store shows it."""
    names: list[str] = []

    def named(step: Step) -> None:
        names.append(step.name)

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(named, name=given)

    engine = Engine()
    engine.run(function)

    assert names == [name]
    assert [tags["step"] for tags in engine.tags] == [name]


def test_a_step_that_recovers_is_not_a_failure() -> None:
    """Tries that fail cost their pauses and no more."""
    work = Work([ValueError("1"), OSError("2")], result={"a": 1})
    engine = Engine()

    result = engine.run(
        one_step(work, retry=RetryPolicy(max_attempts=3, initial_interval=0.1, max_interval=0.1))
    )

    assert result == {"a": 1}
    assert len(engine.pauses) == 2
    assert all(0.05 <= pause <= 0.1 for pause in engine.pauses)


def test_a_step_is_given_up() -> None:
    """After its last try a step has failed: the failure names it, the last error and the tries."""
    work = Work([ValueError("1"), OSError("2"), KeyError("3"), ValueError("never raised")])

    failure = Engine().failure(one_step(work, retry=AT_ONCE))

    assert failure == Failure("KeyError", "'3'", "work", 3)
    assert len(work.seen) == 3


def test_a_step_has_five_tries_by_default() -> None:
    """Unless it says otherwise, a step is tried five times, with growing pauses."""
    work = Work([ValueError(str(number)) for number in range(9)])
    engine = Engine()

    failure = engine.failure(one_step(work))

    assert failure == Failure("ValueError", "4", "work", 5)
    for pause, longest in zip(engine.pauses, (0.2, 0.4, 0.8, 1.6), strict=True):
        assert longest / 2 <= pause <= longest


class Rude(Exception):
    """An error that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("not today")


class Declined(NonRetryableError):
    """A permanent error of a user's own."""


class Missing(LookupError):
    """An error that a step's policy names."""


@pytest.mark.parametrize(
    ("error", "type"),
    [
        (NonRetryableError("no"), "NonRetryableError"),
        (Declined("no"), "Declined"),
        (Missing("no"), "Missing"),
        (SystemExit("no"), "SystemExit"),
    ],
)
def test_some_errors_are_never_tried_again(error: BaseException, type: str) -> None:
    """An error that is permanent, named by the policy or the end of the process is the last."""
    work = Work([error])
    retry = RetryPolicy(
        max_attempts=3, initial_interval=0, max_interval=0, non_retryable=(LookupError,)
    )

    failure = Engine().failure(one_step(work, retry=retry))

    assert failure == Failure(type, "no", "work", 1)
    assert len(work.seen) == 1


@pytest.mark.parametrize(
    "error", [TypeError("of a library"), ValueError("bad \udce9 name"), Rude()]
)
def test_any_other_error_is_tried_again(error: Exception) -> None:
    """An ordinary error may pass, whatever its class, its text and its `__repr__` are like."""
    work = Work([error], result="done")

    assert Engine().run(one_step(work, retry=AT_ONCE)) == "done"


@pytest.mark.parametrize("result", [object(), {1, 2}, {1: 2}, 2**64, b"x", "\ud800"])
def test_a_result_that_is_no_json_fails_the_step(result: object) -> None:
    """What cannot be stored is a failure at once: the step would return the same again."""
    work = Work(result=result)

    failure = Engine().failure(one_step(work, retry=AT_ONCE))

    assert (failure.step, failure.attempts, len(work.seen)) == ("work", 1, 1)


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (None, None),
        (False, False),
        ((1, 2), [1, 2]),
        (2**64 - 1, 2**64 - 1),
        ({"type": "E", "message": "m"}, {"type": "E", "message": "m"}),
        ({"__error__": "x"}, {"__error__": "x"}),
        ({"py/object": "os.system"}, {"py/object": "os.system"}),
        (math.nan, None),
        ("é😀", "é😀"),
    ],
)
def test_a_result_is_json_and_nothing_else(result: object, sent: object) -> None:
    """A result arrives as JSON has it, and no value is taken for a failure or for an object."""
    assert Engine().run(one_step(Work(result=result))) == sent


def test_a_timeout_is_a_failed_try() -> None:
    """A try that takes longer than it may has failed, and the next one may be in time."""
    tries: list[int] = []
    second = threading.Event()

    def slow_once(step: Step) -> int:
        tries.append(step.attempt)
        if step.attempt == 1:
            assert second.wait(10)
        second.set()
        return step.attempt

    def function(context: Context, _: Any) -> Workflow[int]:
        result: int = yield context.step(slow_once, timeout=0.1, retry=AT_ONCE)
        return result

    assert Engine().run(function) == 2
    assert tries == [1, 2]


def test_a_step_that_is_always_late_fails() -> None:
    """When every try takes too long, the failure says so."""
    work = Work([StepTimeout("not done within 1 s")] * 3)

    assert Engine().failure(one_step(work, retry=AT_ONCE)) == Failure(
        "StepTimeout", "not done within 1 s", "work", 3
    )


def test_a_failed_step_can_be_caught() -> None:
    """The function sees a failed step as an error at its yield, and may go on."""
    engine = Engine()

    def function(context: Context, _: Any) -> Workflow[Any]:
        try:
            yield context.step(Work([Declined("no")]), name="work")
        except StepFailed as error:
            undone = yield context.step(Work(result="undone"))
            return [str(error), error.failure.type, error.failure.step, undone]

    assert engine.run(function) == ["no", "Declined", "work", "undone"]
    assert [good for good, _ in engine.stored.values()] == [False, True]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("no"), Failure("ValueError", "no")),
        (SystemExit(3), Failure("SystemExit", "3")),
        (StepFailed(Failure("E", "m", "s", 2)), Failure("E", "m", "s", 2)),
        (NonRetryableError("é" * 2000), Failure("NonRetryableError", "é" * 1022 + "…")),
    ],
)
def test_an_error_of_the_function_fails_the_execution(
    error: BaseException, failure: Failure
) -> None:
    """What a function raises itself is stored as the failure of its execution."""

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(Work())
        raise error

    assert Engine().failure(function) == failure


def test_a_result_that_is_no_json_fails_the_execution() -> None:
    """A function that returns what cannot be stored has failed, with a reason."""

    def function(context: Context, _: Any) -> Workflow[object]:
        yield context.step(Work())
        return object()

    failure = Engine().failure(function)
    assert failure.type == "NotJson"
    assert failure.message == "the result cannot be stored: Type is not JSON serializable: object"


def test_a_plain_function_is_one_step() -> None:
    """A function that is no generator runs as the only step, under its own name."""
    engine = Engine()

    def plain(step: Step, value: Any) -> list[Any]:
        return [step.name, step.attempt, value]

    assert engine.run(plain, {"a": 1}) == ["plain", 1, {"a": 1}]
    assert [tags["step"] for tags in engine.tags] == ["plain"]


@pytest.mark.parametrize("value", [None, 0, "", [], {"py/object": "x"}, "é", 2**64 - 1, -0.5])
def test_the_input_arrives(value: object) -> None:
    """The function is called with the input as the client sent it."""

    def function(context: Context, given: Any) -> Workflow[Any]:
        return [given, (yield context.step(Work(result=given)))]

    assert Engine().run(function, value) == [value, value]


def test_a_fence_ends_a_function_behind_its_back() -> None:
    """When the claim is lost `finally` runs, `except` does not, and nothing more is stored."""
    seen: list[str] = []

    def function(context: Context, _: Any) -> Workflow[None]:
        try:
            yield context.step(Work(), name="first")
            yield context.step(Work(), name="second")
        except Exception:  # noqa: BLE001 - it must not see the fence
            seen.append("except")
        finally:
            seen.append("finally")
        seen.append("after")

    fenced = Fenced("job")
    engine = Engine(interrupt=lambda id: fenced if id.endswith("2") else None)
    with pytest.raises(Fenced) as caught:
        engine.run(function)

    assert caught.value is fenced
    assert seen == ["finally"]
    assert len(engine.stored) == 1


def test_a_step_of_a_lost_claim_is_not_started() -> None:
    """Without its lease a step does not run, is not tried again and stores nothing."""
    work = Work()
    engine = Engine(lease_seconds=0)

    with pytest.raises(Fenced):
        engine.run(one_step(work, retry=AT_ONCE))

    assert (work.seen, engine.stored, engine.pauses) == ([], {}, [])
    assert engine.claim.lost == "the lease ran out"


def test_a_claim_lost_between_two_tries_ends_the_step() -> None:
    """A step that failed is not tried again for an execution that somebody else has by now."""
    engine = Engine()
    tries: list[int] = []

    def losing(step: Step) -> None:
        tries.append(step.attempt)
        engine.claim.lost = "fenced off"
        raise ValueError("try again")

    def function(context: Context, _: Any) -> Workflow[None]:
        yield context.step(losing, retry=AT_ONCE)

    with pytest.raises(Fenced):
        engine.run(function)

    assert (tries, engine.stored) == ([1], {})


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (RuntimeError("from the SDK"), Failure("RuntimeError", "from the SDK")),
        (Exception({"type": "E", "message": "m", "attempts": 2}), Failure("E", "m", None, 2)),
        (Exception({"type": "E"}), Failure("Exception", "{'type': 'E'}")),
        (Exception(None), Failure("Exception", "None")),
        (Exception(), Failure("Exception", "")),
    ],
)
def test_whatever_comes_at_a_yield_is_a_failed_step(error: Exception, failure: Failure) -> None:
    """A timeout or a cancellation in the SDK's own words can be caught like any failed step."""
    seen: list[Failure] = []

    def function(context: Context, _: Any) -> Workflow[None]:
        try:
            yield context.step(Work())
        except StepFailed as failed:
            seen.append(failed.failure)

    Engine(interrupt=lambda _: error).run(function)

    assert seen == [failure]


def test_steps_may_run_beside_each_other() -> None:
    """A step that was begun is waited for later, and its failure is met where it is waited for."""
    works = Work(result=1), Work([NonRetryableError("no")]), Work(result=3)

    def function(context: Context, _: Any) -> Workflow[list[object]]:
        begun = []
        for number, work in enumerate(works):
            begun.append((yield context.begin_step(work, name=f"step {number}", retry=AT_ONCE)))
        assert not works[0].seen
        got: list[object] = []
        for step in reversed(begun):
            try:
                got.append((yield step))
            except StepFailed as error:
                got.append(error.failure)
        return got[:1] + got[2:] + [str(got[1])]

    engine = Engine()
    failure = Failure("NonRetryableError", "no", "step 1", 1)

    assert engine.run(function) == [3, 1, str(failure)]
    assert [tags["step"] for tags in engine.tags] == ["step 2", "step 1", "step 0"]
    assert len({step.idempotency_key for work in works for step in work.seen}) == 3


@pytest.mark.parametrize(
    "value", [None, False, {"__error__": "x"}, {"py/object": "os.system"}, [2**64 - 1, -0.5], "é"]
)
def test_a_child_is_asked_and_answers_in_json(value: object) -> None:
    """A child is stored as the gateway stores an execution; its result arrives as it is."""

    def function(context: Context, given: Any) -> Workflow[Any]:
        child = yield context.begin("foo", given)
        return [(yield child), (yield context.call("checkout", given))]

    result = orjson.dumps(orjson.dumps(value).decode()).decode()
    engine = Engine({f"job.{n}": (True, result) for n in (1, 2)})

    assert engine.run(function, value) == [value, value]
    calls = [decode_call(child.opts.encoder.encode(child.conv.data)) for child in begun(engine)]
    assert [(call.function, orjson.loads(call.input_json)) for call in calls] == [
        ("foo", value),
        ("checkout", value),
    ]


def begun(engine: Engine) -> list[Any]:
    """Return what was begun, in order."""
    return list(engine.begun.values())


@pytest.mark.parametrize(
    ("stored", "failure"),
    [
        (Failure("Declined", "no", "ship", 3).rejection(), Failure("Declined", "no", "ship", 3)),
        ('"stopped by hand"', Failure("Error", "stopped by hand")),
    ],
)
def test_a_child_that_failed_is_a_failed_step(stored: str, failure: Failure) -> None:
    """The parent can catch it, and if it does not, has failed with the child's failure."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("foo"))

    assert Engine({"job.1": (False, stored)}).failure(function) == failure


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            ResonateTimedoutError("job.1", 0),
            Failure("TimedOut", "what was waited for did not come in time"),
        ),
        (
            ResonateCanceledError("job.1"),
            Failure("Canceled", "what was waited for was canceled"),
        ),
    ],
)
def test_a_child_that_did_not_end_is_a_failed_step(error: Exception, failure: Failure) -> None:
    """A child that took too long, or was canceled, is told apart by the type of the failure."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("foo"))

    assert Engine(interrupt=lambda _: error).failure(function) == failure


def test_a_child_is_marked() -> None:
    """A child carries its kind, its function, the root of the tree, the trace and who runs it."""
    engine = Engine({"job.1.2.1": (True, '"1"')})
    engine.claim.execution, engine.claim.trace_id = "job.1.2", "0af7"

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("foo", timeout=0))

    assert engine.run(function, id="job.1.2") == 1
    (child,) = begun(engine)
    assert child.conv.tags == {
        "resonate:root": "job.1.2",
        "resonate:parent": "job.1.2",
        "resonate:scope": "global",
        "resonate:invoke": "poll://any@workers",
        tag.KIND: tag.CHILD,
        tag.FUNCTION: "foo",
        tag.ROOT: "job",
        tag.TRACE: "0af7",
    }
    assert 0 < child.conv.timeout < 1


def test_a_child_of_no_function_is_a_mistake() -> None:
    """A name that the catalog does not have fails the parent, before anything is begun."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        return (yield context.call("nothing"))

    engine = Engine()
    failure = engine.failure(function)
    assert failure.type == "ValueError"
    assert failure.message.startswith("there is no function nothing; known are foo, ")
    assert engine.begun == {}


def test_an_execution_is_a_generator() -> None:
    """The SDK takes what `durable` makes for a function with steps, whatever was wrapped."""
    assert inspect.isgeneratorfunction(durable(Work()))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Encoded('{"a":1}'), '{"a":1}'),
        (Rejection('{"type":"E"}'), '{"type":"E"}'),
        (ValueError("no"), '{"type":"ValueError","message":"no"}'),
        ("text", '"text"'),
        (None, "null"),
    ],
)
def test_a_step_is_stored_as_json(value: object, stored: str) -> None:
    """Results and failures are stored as plain JSON that any reader understands."""
    encoder = StepEncoder()

    assert encoder.encode(value) == stored
    assert encoder.decode(stored) == orjson.loads(stored)


def test_nothing_stored_is_nothing() -> None:
    """A promise without a value decodes to nothing."""
    assert StepEncoder().decode(None) is None


class Mute(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError(), Failure("ValueError", "", "s", 1)),
        (KeyError("k"), Failure("KeyError", "'k'", "s", 1)),
        (ValueError("\ud800"), Failure("ValueError", "?", "s", 1)),
        (Mute(), Failure("Mute", "its message cannot be shown", "s", 1)),
        (StepFailed(Failure("E", "m", "t", 9)), Failure("E", "m", "t", 9)),
    ],
)
def test_any_error_can_be_described(error: Exception, failure: Failure) -> None:
    """Whatever an exception does, there is a failure to store; a failed step keeps its own."""
    assert describe(error, step="s", attempts=1) == failure
