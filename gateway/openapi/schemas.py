"""Schemas of the document's components, each under its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.http.problems import (
    INTERNAL,
    PROBLEM_BY_ERROR,
    PROBLEM_BY_STATUS,
    UNAVAILABLE,
    ProblemBody,
)
from gateway.model.bodies import BegunBody, ExecutionBody, FailureBody, ItemBody, StepBody
from gateway.openapi.struct_schemas import StructSchemas, Variant, ref
from shared import durations
from shared.ids import ID_GRAMMAR, SIGNAL_GRAMMAR
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from msgspec import Struct

    from gateway.http.problems import Problem
    from gateway.openapi.struct_schemas import Schema
    from shared.catalog import Catalog, Function

TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"

PROBLEMS: Final[Mapping[str, Problem]] = {
    problem.slug: problem
    for problem in (*PROBLEM_BY_ERROR.values(), *PROBLEM_BY_STATUS.values(), INTERNAL, UNAVAILABLE)
}
"""Every kind of problem, by the last part of its type."""

NAMES: Final[Mapping[type[Struct], str]] = {
    FailureBody: "failure",
    StepBody: "step",
    ItemBody: "item",
}
"""Structs that are components of the document; all others stand where they are used."""

UNTIL_END: Final = frozenset({"phase", "progress", "tries", "last_error", "next_try_at"})
"""Fields that an execution that has ended does not have."""


def _failure(type: str) -> Schema:
    """Return the schema of a failure of this type."""
    return {"allOf": [ref("failure"), {"properties": {"type": {"const": type}}}]}


def _ended(status: str, **outcome: Schema) -> Variant:
    """Return the form of an execution that has ended with this status."""
    return Variant(
        {"status": {"const": status}, "done": {"const": True}, **outcome},
        required=("completed_at", *outcome),
        absent=UNTIL_END | ({"result", "error"} - outcome.keys()),
    )


VARIANTS: Final[Mapping[str, Variant]] = {
    "pending": Variant(
        {"status": {"const": "pending"}, "done": {"const": False}},
        absent=frozenset({"result", "error", "completed_at"}),
    ),
    "resolved": _ended("resolved", result=ref("json")),
    "rejected": _ended("rejected", error=ref("failure")),
    "canceled": _ended("canceled", error=_failure("Canceled")),
    "timedout": _ended("timedout", error=_failure("TimedOut")),
}
"""The forms in which an execution can be answered."""


FAILURES: Final[Mapping[str, Schema]] = {
    f"execution-{status}": VARIANTS[status].fields["error"]
    for status in ("rejected", "canceled", "timedout")
}
"""The member `error` of the problems that have one."""


def whole(pattern: str) -> str:
    """Return a grammar as a pattern for JSON Schema, which would match a part of a text."""
    return f"^{pattern}$"


def problem_name(slug: str) -> str:
    """Return the name of a problem's schema."""
    return f"problem-{slug}"


def schema_of(struct: type[Struct]) -> Schema:
    """Return the schema of a body that is no component."""
    return StructSchemas(NAMES).of(struct)


def variant_of(struct: type[Struct], variant: Variant) -> Schema:
    """Return the schema of one form of a body that is no component."""
    return StructSchemas(NAMES).variant(struct, variant)


def schemas(catalog: Catalog) -> dict[str, Schema]:
    """Return the schemas of a gateway that serves this catalog."""
    structs = StructSchemas(NAMES)
    return {
        **_simple(catalog),
        **{f"input-{name}": _input(function) for name, function in catalog.functions.items()},
        "input": {
            "description": "The input of the function that is begun; the others do not count.",
            "anyOf": [ref(f"input-{name}") for name in catalog.names],
        },
        **{name: structs.of(struct) for struct, name in NAMES.items()},
        **{
            f"{name}-{form}": structs.variant(struct, variant)
            for name, struct in (("execution", ExecutionBody), ("begun", BegunBody))
            for form, variant in VARIANTS.items()
        },
        "execution": _one_of("execution", VARIANTS),
        "begun-ended": _one_of("begun", [form for form in VARIANTS if form != "pending"]),
        **{problem_name(slug): _problem(structs, problem) for slug, problem in PROBLEMS.items()},
    }


def _simple(catalog: Catalog) -> dict[str, Schema]:
    return {
        "id": {"type": "string", "pattern": whole(ID_GRAMMAR.pattern), "examples": ["job-1"]},
        "signal-name": {"type": "string", "pattern": whole(SIGNAL_GRAMMAR.pattern)},
        "time": {"type": "string", "format": "date-time", "pattern": TIME},
        "duration": {
            "type": "string",
            "pattern": durations.PATTERN,
            "examples": ["30s", "15m", "2h", "7d", "PT15M"],
        },
        "status": {"enum": list(STATUS.values())},
        "function": {"type": "string", "enum": list(catalog.names)},
        "json": {
            "title": "any JSON",
            "description": "Integers of 64 bits, up to 64 levels of nesting, no key twice.",
        },
    }


def _input(function: Function) -> Schema:
    default: Any = orjson.loads(function.default_input)
    about = {"title": function.name, "description": function.summary, "default": default}
    return {**about, **(function.input_schema or ref("json"))}


def _problem(structs: StructSchemas, problem: Problem) -> Schema:
    fields: dict[str, Schema] = {
        "type": {"const": f"/problems/{problem.slug}"},
        "title": {"const": problem.title},
        "status": {"const": problem.status},
        "id": ref("id"),
    }
    required, absent = ["instance"], {"execution_status", "error", "errors"}
    if problem.slug == "already-done":
        fields["execution_status"] = {"enum": list(STATUS.values())}
        required.append("execution_status")
        absent.remove("execution_status")
    if problem.slug in FAILURES:
        fields["error"] = FAILURES[problem.slug]
        required.append("error")
        absent.remove("error")
    if problem.slug == "invalid-input":  # optional, since a callback has no faults
        absent.remove("errors")
    variant = Variant(fields, tuple(required), frozenset(absent))
    return {"description": problem.title, **structs.variant(ProblemBody, variant)}


def _one_of(prefix: str, forms: Iterable[str]) -> Schema:
    return {"oneOf": [ref(f"{prefix}-{form}") for form in forms]}
