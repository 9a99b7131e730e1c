"""States of the server's promises, and the statuses that clients know them by."""

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
"""An execution's status, by the state of its promise."""

SEARCH_STATE: Final[Mapping[str, str]] = {
    "pending": "pending",
    "resolved": "resolved",
    # A search of the server cannot tell these three apart.
    "rejected": "rejected",
    "canceled": "rejected",
    "timedout": "rejected",
}
"""What to search for to find executions with a status, others perhaps among them."""

STATES_OF_SEARCH: Final[Mapping[str | None, tuple[str, ...]]] = {
    None: ("PENDING", "RESOLVED", "REJECTED", "REJECTED_TIMEDOUT", "REJECTED_CANCELED"),
    "pending": ("PENDING",),
    "resolved": ("RESOLVED",),
    "rejected": ("REJECTED", "REJECTED_TIMEDOUT", "REJECTED_CANCELED"),
}
"""States that a search of the server is for, as in its internal/app/subsystems/api/api.go."""
