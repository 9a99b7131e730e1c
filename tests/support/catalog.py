"""The functions that tests begin; their code is in `worker/functions.py`.

They are the tests' own, so that no change of the functions that ship turns these tests red.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared import durations
from shared.catalog import Catalog, Function

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT: Final = ["reserve", "charge", "pack", "ship", "notify"]
"""The steps of `checkout`, in order."""

PACE: Final = {"type": "number", "minimum": 0, "maximum": 86400}
"""Seconds that a step takes."""


def _options(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an object with no other properties than these, or null for none."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


CATALOG: Final = Catalog.of(
    Function("foo", 1, "Returns its input and the time.", default_input='{"foo":"bar"}'),
    Function(
        "checkout",
        1,
        "Has five steps, and takes them back when a later one fails.",
        input_schema=_options(pace=PACE, fail={"enum": [*CHECKOUT, None]}),
    ),
    Function(
        "approval",
        1,
        "Waits for the signal `approval`.",
        input_schema=_options(
            question={"type": "string", "maxLength": 1000},
            within={"type": "string", "pattern": durations.PATTERN},
        ),
    ),
    Function(
        "countdown",
        1,
        "Sleeps between its steps, and reports its progress.",
        input_schema=_options(
            **{"from": {"type": "integer", "minimum": 0, "maximum": 10_000}}, every=PACE
        ),
    ),
    Function(
        "fanout",
        1,
        "Begins a child for each of its parts.",
        input_schema=_options(parts={"type": "integer", "minimum": 1, "maximum": 100}, pace=PACE),
    ),
    Function(
        "part",
        1,
        "Returns its number and its worker.",
        input_schema=_options(number={"type": "integer", "minimum": 1}, pace=PACE),
    ),
    default="foo",
)
