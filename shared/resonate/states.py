"""States of the server's promises, and the statuses that clients see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS: Final[Mapping[str, str]] = {
    "PENDING": "pending",
    "RESOLVED": "resolved",
    "REJECTED": "rejected",
    "REJECTED_CANCELED": "canceled",
    "REJECTED_TIMEDOUT": "timedout",
}
"""Status of an execution, by the state of its promise."""

STATES_OF_SEARCH: Final[Mapping[str | None, tuple[str, ...]]] = {
    None: ("PENDING", "RESOLVED", "REJECTED", "REJECTED_TIMEDOUT", "REJECTED_CANCELED"),
    "pending": ("PENDING",),
    "resolved": ("RESOLVED",),
    "rejected": ("REJECTED", "REJECTED_TIMEDOUT", "REJECTED_CANCELED"),
}
"""States that a search finds, as in the server's internal/app/subsystems/api/api.go."""
