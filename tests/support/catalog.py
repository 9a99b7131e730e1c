"""The functions that tests begin; their code is in `worker/functions.py`.

They are the tests' own, so that no change of the functions that ship turns these tests red.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.settings import SHIPPED_CATALOG
from shared import durations
from shared.catalog import FORMAT, Catalog, Function

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHIPPED: Final = Catalog.parse(SHIPPED_CATALOG.read_bytes())
"""The functions that come with the service."""

CHECKOUT: Final = ["reserve", "charge", "pack", "ship", "notify"]
"""The steps of `checkout`, in order."""

PACE: Final = {"type": "number", "minimum": 0, "maximum": 86400}
"""Seconds that a step takes."""


def _options(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an object with no other properties than these, or null for none."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


CATALOG: Final = Catalog.of(
    Function("foo", 1, "Returns its input and the time.", default_input={"foo": "bar"}),
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


def manifest(catalog: Catalog, **also: Any) -> bytes:
    """Return the manifest of a catalog; `also` replaces members of it, or adds some."""
    members = {
        "format": FORMAT,
        "default": catalog.default,
        "limits": catalog.limits,
        "functions": list(catalog.versions.values()),
    }
    return msgspec.json.encode(members | also)


def write_manifest(path: Path, catalog: Catalog) -> None:
    """Put the manifest of a catalog in the place of a file, at once."""
    written = path.with_name(f"{path.name}.new")
    written.write_bytes(manifest(catalog))
    written.replace(path)
