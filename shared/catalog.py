"""The durable functions that a client may start.

The gateway may not import the worker, so what it must know of a function is data here; the code is
in `worker/functions/<name>.py`. A test holds the two to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared import durations

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Function:
    """One entry: `version` is part of what is stored, so raise it when the steps change.

    `default_input` is the JSON text used when the client sends no body. `input_schema` is a JSON
    Schema (2020-12) that every input is held to before anything is stored; `{}` takes everything.
    """

    name: str
    version: int
    summary: str
    default_input: str = "null"
    input_schema: Mapping[str, Any] = field(default_factory=dict)


def _options(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an object with no other properties than these, or null for none."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


DEFAULT_FUNCTION: Final = "foo"

CATALOG: Final = {
    function.name: function
    for function in (
        Function("foo", 1, "Processes the input and says when.", default_input='{"foo":"bar"}'),
        Function(
            "checkout",
            1,
            "Reserves, charges, packs, ships and notifies, and takes back what it did on failure.",
            input_schema=_options(
                pace={"type": "number", "minimum": 0, "maximum": 86400},
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
            "Has its parts done by child executions, spread over the workers, and gathers them.",
            input_schema=_options(
                parts={"type": "integer", "minimum": 1, "maximum": 100},
                pace={"type": "number", "minimum": 0, "maximum": 86400},
            ),
        ),
        Function(
            "part",
            1,
            "Does one part of a fanout, and says which worker did it.",
            input_schema=_options(
                number={"type": "integer", "minimum": 1},
                pace={"type": "number", "minimum": 0, "maximum": 86400},
            ),
        ),
    )
}
