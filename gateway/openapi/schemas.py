"""Schemas of what clients send and get, each under its name in the document's components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.http.problems import INTERNAL, OF_HTTP, OF_SERVICE, UNAVAILABLE
from shared import durations
from shared.catalog import CATALOG
from shared.ids import ID_GRAMMAR, SIGNAL_GRAMMAR
from shared.resonate.codec import MESSAGE_LIMIT
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.http.problems import Problem

type Schema = dict[str, Any]

PHASES: Final = ("scheduled", "queued", "running", "waiting", "recovering")

TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"


def ref(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """Return the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def whole(pattern: str) -> str:
    """Return a grammar as a pattern for JSON Schema, which would take a part for the whole."""
    return f"^{pattern}$"


def problem_name(slug: str) -> str:
    """Return the name of a problem's schema."""
    return f"problem-{slug}"


PROBLEMS: Final[Mapping[str, Problem]] = {
    problem.slug: problem
    for problem in (*OF_SERVICE.values(), *OF_HTTP.values(), INTERNAL, UNAVAILABLE)
}
"""Every problem that there is, by the last part of its type."""

_COUNT: Final = {"type": "integer", "minimum": 0}
_POSITIVE: Final = {"type": "integer", "minimum": 1}
_NAME: Final = {"type": "string", "minLength": 1}
# What is stored outlives the catalog's entry, so answers may name functions that are no more.
_STORED_FUNCTION: Final = _NAME

_MORE: Final[Mapping[str, Mapping[str, Schema]]] = {
    "already-done": {"execution_status": {"enum": list(STATUS.values())}},
}
"""What some problems tell besides."""

_OPTIONAL: Final[Mapping[str, Mapping[str, Schema]]] = {
    "invalid-input": {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    "pointer": {"type": "string", "description": "JSON pointer (RFC 6901)"},
                    "message": {"type": "string"},
                }
            ),
        }
    },
}
"""What they may tell: where an input is wrong, but not what is wrong with a callback."""


def _problem(problem: Problem) -> Schema:
    required: dict[str, Schema] = {
        "type": {"const": f"/problems/{problem.slug}"},
        "title": {"const": problem.title},
        "status": {"const": problem.status},
        "detail": {"type": "string", "description": "What to do about it."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "request_id": {"type": "string", "description": "As in the header and in the log."},
        **_MORE.get(problem.slug, {}),
    }
    optional = _OPTIONAL.get(problem.slug, {})
    return {"description": problem.title, **closed(required, id=ref("id"), **optional)}


def _outcomes(
    required: Mapping[str, Schema],
    optional: Mapping[str, Schema],
    *,
    until_end: Mapping[str, Schema] | None = None,
    from_end: Mapping[str, Schema] | None = None,
) -> dict[str, Schema]:
    """Return one schema for each way an execution can be.

    `until_end` are optional properties that a finished one has not, `from_end` are required ones
    that only a finished one has.
    """

    def one(status: Schema, **outcome: Schema) -> Schema:
        base: dict[str, Schema] = {
            "status": status,
            "done": {"const": True},
            **required,
            **(from_end or {}),
        }
        return closed({**base, **outcome}, **optional)

    pending: dict[str, Schema] = {
        "status": {"const": "pending"},
        "done": {"const": False},
        **required,
    }
    return {
        "pending": closed(pending, **optional, **(until_end or {})),
        "resolved": one({"const": "resolved"}, result=ref("json")),
        "rejected": one({"const": "rejected"}, error=ref("failure")),
        "stopped": one({"enum": ["canceled", "timedout"]}),
    }


_EXECUTION: Final = _outcomes(
    {
        "promise_id": ref("id"),
        "function": _STORED_FUNCTION,
        "created_at": ref("time"),
        "timeout_at": ref("time"),
    },
    {
        "starts_at": ref("time"),
        "worker": {**_NAME, "description": "Who works on it, or did last."},
        "attempt": {**_POSITIVE, "description": "How often it was picked up."},
        "recovered_from": {**_NAME, "description": "The worker it was taken over from."},
        "waiting_for": {
            "type": "array",
            "items": closed({"name": _NAME, "since": ref("time")}),
        },
        "input": ref("json"),
        "steps": {"type": "array", "items": ref("step")},
    },
    until_end={
        "phase": {"enum": list(PHASES)},
        "progress": closed({"done": _COUNT, "total": _COUNT, "step": {"type": ["string", "null"]}}),
    },
    from_end={"completed_at": ref("time")},
)

_BEGUN: Final = _outcomes(
    {
        "promise": ref("id"),
        "wait": {"type": "string", "pattern": r"^/wait\?id="},
        "created": {"type": "boolean", "description": "Whether this very request was the first."},
        "function": _STORED_FUNCTION,
        "timeout_at": ref("time"),
        "links": closed(
            {
                "events": {"type": "string", "pattern": r"^/events\?id="},
                "cancel": {"type": "string", "pattern": r"^/cancel\?id="},
            }
        ),
    },
    {"starts_at": ref("time")},
)


def _named(prefix: str, variants: Mapping[str, Schema]) -> dict[str, Schema]:
    return {f"{prefix}-{name}": schema for name, schema in variants.items()}


def _any_of_these(prefix: str, variants: Iterable[str]) -> Schema:
    return {"oneOf": [ref(f"{prefix}-{name}") for name in variants]}


def _input(name: str) -> Schema:
    function = CATALOG[name]
    default = orjson.loads(function.default_input)
    about = {"title": name, "description": function.summary, "default": default}
    return {**about, **(function.input_schema or ref("json"))}


SCHEMAS: Final[Mapping[str, Schema]] = {
    "id": {"type": "string", "pattern": whole(ID_GRAMMAR.pattern), "examples": ["job-1"]},
    "signal-name": {"type": "string", "pattern": whole(SIGNAL_GRAMMAR.pattern)},
    "time": {"type": "string", "format": "date-time", "pattern": TIME},
    "duration": {
        "type": "string",
        "pattern": durations.PATTERN,
        "examples": ["30s", "15m", "2h", "7d", "PT15M"],
    },
    "status": {"enum": list(STATUS.values())},
    "function": {"type": "string", "enum": list(CATALOG)},
    "json": {
        "title": "any JSON",
        "description": "Integers of 64 bits, up to 64 levels of nesting, no key twice.",
    },
    **{f"input-{name}": _input(name) for name in CATALOG},
    "input": {
        "description": "The input of the function that is begun; the rest do not count.",
        "anyOf": [ref(f"input-{name}") for name in CATALOG],
    },
    "failure": closed(
        {
            "type": _NAME,
            "message": {"type": "string", "maxLength": MESSAGE_LIMIT},
        },
        step=_NAME,
        attempts=_POSITIVE,
    ),
    "step": closed(
        {
            "name": _NAME,
            "status": ref("status"),
            "worker": {
                "type": ["string", "null"],
                "description": "Null for a child execution.",
            },
            "started": ref("time"),
            "ended": {"oneOf": [ref("time"), {"type": "null"}]},
        }
    ),
    "item": closed(
        {
            "id": ref("id"),
            "function": _STORED_FUNCTION,
            "status": ref("status"),
            "phase": {"enum": [*PHASES, None]},
            "worker": {"type": ["string", "null"]},
            "attempt": {"type": ["integer", "null"], "minimum": 1},
            "created_at": ref("time"),
            "completed_at": {"oneOf": [ref("time"), {"type": "null"}]},
        }
    ),
    **_named("execution", _EXECUTION),
    "execution": _any_of_these("execution", _EXECUTION),
    **_named("begun", _BEGUN),
    "begun-ended": _any_of_these("begun", [name for name in _BEGUN if name != "pending"]),
    **{problem_name(slug): _problem(problem) for slug, problem in PROBLEMS.items()},
}
