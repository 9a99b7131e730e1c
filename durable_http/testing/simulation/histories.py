"""Histories: executions as they are stored, in memory and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

import orjson

from durable_http.testing.simulation.store import Execution, Failure, Part, Signal, describe
from durable_http.testing.simulation.world import Event

FORMAT: Final = 1


@dataclass(frozen=True)
class History:
    """An execution as it is stored: what a later version of its function has to go on with.

    `now` is the virtual time at which it was stored, `parts` are the names of its parts, in order.
    """

    execution: Execution = field(repr=False)
    now: float

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part.name for part in in_order(self.execution))

    def to_json(self) -> str:
        """Return the history as text, to be kept beside the tests until no execution has it."""
        document = {"format": FORMAT, "now": self.now, "execution": _execution_json(self.execution)}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return a history that `to_json` has written. Raises `ValueError` for anything else."""
        try:
            document = orjson.loads(text)
            _check_format(document["format"])
            return cls(_execution_of(document["execution"]), document["now"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no history: {type(error).__name__}: {error}") from error


def _check_format(number: object) -> None:
    if number != FORMAT:
        raise ValueError(f"its format is {number!r:.50}, not {FORMAT}")


def in_order(execution: Execution) -> list[Part]:
    """Return the parts of an execution by their numbers."""
    return sorted(execution.parts.values(), key=lambda part: part.number)


def stored(execution: Execution) -> Execution:
    """Return a copy that has only what the store keeps."""
    return replace(
        execution,
        parts={number: _stored_part(part) for number, part in execution.parts.items()},
        signals={
            name: [replace(value) for value in values] for name, values in execution.signals.items()
        },
        progress=list(execution.progress),
        log=list(execution.log),
        over=_over(execution),
    )


def _stored_part(part: Part) -> Part:
    child = None if part.child is None else stored(part.child)
    return replace(part, command=None, child=child, settled=Event())


def _over(execution: Execution) -> Event:
    event = Event()
    if execution.status != "pending":
        event.set()
    return event


def _execution_json(execution: Execution) -> dict[str, Any]:
    failure = None if execution.error is None else asdict(describe(execution.error))
    return {
        "id": execution.id,
        "function": execution.function,
        "version": execution.version,
        "input": orjson.loads(execution.input),
        "began": execution.began,
        "deadline": execution.deadline,
        "status": execution.status,
        "result": orjson.loads(execution.text),
        "failure": failure,
        "ended": execution.ended,
        "progress": execution.progress,
        "parts": [_part_json(part) for part in in_order(execution)],
        "signals": {
            name: [asdict(value) for value in values] for name, values in execution.signals.items()
        },
    }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "number": part.number,
        "name": part.name,
        "state": part.state,
        "result": orjson.loads(part.text),
        "failure": None if part.failure is None else asdict(part.failure),
        "due": part.due,
        "attempts": part.attempts,
        "child": None if part.child is None else _execution_json(part.child),
    }


def _execution_of(document: dict[str, Any]) -> Execution:
    failure = document["failure"]
    execution = Execution(
        document["id"],
        document["function"],
        document["version"],
        _text(document["input"]),
        document["began"],
        document["deadline"],
        parts={each["number"]: _part_of(each) for each in document["parts"]},
        signals={
            name: [Signal(**value) for value in values]
            for name, values in document["signals"].items()
        },
        status=document["status"],
        text=_text(document["result"]),
        error=None if failure is None else Failure(**failure).error(),
        ended=document["ended"],
        progress=[(done, total) for done, total in document["progress"]],
    )
    return replace(execution, over=_over(execution))


def _part_of(document: dict[str, Any]) -> Part:
    failure, child = document["failure"], document["child"]
    return Part(
        document["number"],
        document["name"],
        command=None,
        state=document["state"],
        text=_text(document["result"]),
        failure=None if failure is None else Failure(**failure),
        due=document["due"],
        attempts=document["attempts"],
        child=None if child is None else _execution_of(child),
    )


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
