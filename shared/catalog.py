"""The durable functions that a client may start.

The gateway may not import the worker, so names, versions and schemas of functions are data here;
their code is in `worker/functions/<name>.py`. A test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from shared import durations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Function:
    """One entry of the catalog.

    `version` is stored with every execution: raise it when the steps change. `default_input` is the
    JSON text used when the client sends no body. `input_schema` is a JSON Schema (2020-12) that
    every input must match before its execution is stored; `{}` matches everything.
    """

    name: str
    version: int
    summary: str
    default_input: str = "null"
    input_schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalog:
    """Functions by name; `default` is begun when a client names none."""

    functions: Mapping[str, Function]
    default: str

    @classmethod
    def of(cls, *functions: Function, default: str) -> Self:
        """Make a catalog of functions. Raises `ValueError` unless `default` is one of them."""
        named = {function.name: function for function in functions}
        if default not in named:
            raise ValueError(f"the default function {default} is not in the catalog")
        return cls(named, default)

    @property
    def names(self) -> Iterable[str]:
        return self.functions.keys()


def _options(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of null or an object that has these properties only."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


PACE: Final = {"type": "number", "minimum": 0, "maximum": 60}
"""Seconds that a step takes, and for which it holds a slot."""

SHIPPED: Final = Catalog.of(
    Function("foo", 1, "Processes the input and returns the time.", default_input='{"foo":"bar"}'),
    Function(
        "checkout",
        1,
        "Reserves, charges, packs, ships and notifies; on failure it undoes the finished steps.",
        input_schema=_options(
            pace=PACE,
            fail={"enum": ["reserve", "charge", "pack", "ship", "notify", None]},
        ),
    ),
    Function(
        "approval",
        1,
        "Asks a question and waits for the signal `approval`.",
        input_schema=_options(
            question={"type": "string", "maxLength": 1000},
            within={"type": "string", "pattern": durations.PATTERN},
        ),
    ),
    Function(
        "countdown",
        1,
        "Counts down, sleeping in between, and reports its progress.",
        input_schema=_options(
            **{"from": {"type": "integer", "minimum": 0, "maximum": 10_000}},
            every={"type": "number", "minimum": 0, "maximum": 86400},
        ),
    ),
    Function(
        "fanout",
        1,
        "Runs its parts as child executions, spread over the workers, and collects the results.",
        input_schema=_options(
            parts={"type": "integer", "minimum": 1, "maximum": 100},
            pace=PACE,
        ),
    ),
    Function(
        "part",
        1,
        "Runs one part of a fanout and returns the name of its worker.",
        input_schema=_options(
            number={"type": "integer", "minimum": 1},
            pace=PACE,
        ),
    ),
    default="foo",
)
"""The functions that come with the service."""
