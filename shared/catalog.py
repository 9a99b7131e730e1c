"""The durable functions that a client may start.

The gateway may not import the worker, so what it must know of a function is data here; the code is
in `worker/functions/<name>.py`. A test holds the two to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Function:
    """One entry: `version` is part of what is stored, so raise it when the steps change.

    `default_input` is the JSON text used when the client sends no body.
    """

    name: str
    version: int
    summary: str
    default_input: str = "null"


DEFAULT_FUNCTION: Final = "foo"

CATALOG: Final = {
    function.name: function
    for function in (
        Function("foo", 1, "Processes the input and says when.", default_input='{"foo":"bar"}'),
        Function(
            "checkout",
            1,
            "Reserves, charges, packs, ships and notifies, and takes back what it did on failure.",
        ),
        Function("approval", 1, "Asks a question and waits for the signal `approval`."),
        Function("countdown", 1, "Counts down, sleeping in between, and reports its progress."),
    )
}
