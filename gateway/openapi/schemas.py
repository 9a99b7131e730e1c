"""Schemas of the document's components, each under its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.http.answers.problems import (
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

    from gateway.http.answers.problems import Problem
    from gateway.inputs.validation import Validation
    from gateway.openapi.struct_schemas import Schema
    from shared.catalog import Catalog, Function

NONE: Final[Schema] = {"not": {}}
"""The schema of no value."""

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

UNTIL_END: Final = frozenset(
    {"phase", "blocked", "queued_because", "progress", "tries", "last_error", "next_try_at"}
)
"""Fields that an execution that has ended does not have."""


DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data, which may look like schemas."""

NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
"""Keywords whose values are schemas by names, which may look like keywords."""


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


def schemas(catalog: Catalog, validation: Validation) -> dict[str, Schema]:
    """Return the schemas of a gateway that serves this catalog."""
    structs = StructSchemas(NAMES)
    inputs = {
        f"input-{name}": _input(function, validation) for name, function in catalog.public.items()
    }
    return {
        **_simple(catalog),
        **inputs,
        "input": {
            "description": "The input of the function that is begun; the others do not count.",
            **({"anyOf": list(map(ref, inputs))} if inputs else ref("json")),
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
        "function": {"type": "string", "enum": list(catalog.public)} if catalog.public else NONE,
        "json": {
            "title": "any JSON",
            "description": "Integers of 64 bits, up to 64 levels of nesting, no key twice.",
        },
    }


def _input(function: Function, validation: Validation) -> Schema:
    about: Schema = {"title": function.name, "description": function.summary}
    if validation.takes(function, function.default_input):
        about["default"] = function.default_input
    schema = embedded(function.input_schema, ref(f"input-{function.name}")["$ref"])
    return {**about, **(schema or ref("json"))}


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


def embedded(schema: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the schema with its references as they are at a place of the document.

    Example: at `#/components/schemas/input-order`, `#/$defs/Item` is
    `#/components/schemas/input-order/$defs/Item`. A schema with an `$id` stays as it is, since its
    references are relative to that.
    """
    if "$id" in schema:
        return dict(schema)
    return {keyword: _moved(keyword, value, place) for keyword, value in schema.items()}


def _moved(keyword: str, value: Any, place: str) -> Any:
    match value:
        case str() if keyword in {"$ref", "$dynamicRef"} and f"{value}/".startswith("#/"):
            return place + value.removeprefix("#")
        case _ if keyword in DATA:
            return value
        case dict() if keyword in NAMED:
            return {name: _embedded_if_object(each, place) for name, each in value.items()}
        case list():
            return [_embedded_if_object(each, place) for each in value]
        case _:
            return _embedded_if_object(value, place)


def _embedded_if_object(value: Any, place: str) -> Any:
    return embedded(value, place) if isinstance(value, dict) else value
