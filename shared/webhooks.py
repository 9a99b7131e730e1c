"""What gateway and workers agree on about webhooks.

The delivery of an execution's end is an execution of its own, `<id>.webhook`: it waits for the
other one at the server, and tells of its end from whatever worker is alive then.
"""

from typing import Final

FUNCTION: Final = "webhook"
"""Every worker knows it; it is in no catalog, so no client can begin it."""

VERSION: Final = 1

PAUSES: Final = (0, 1, 5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each try: what Standard Webhooks recommends, and two early ones more."""

WINDOW_SECONDS: Final = sum(PAUSES) + 24 * 60 * 60
"""How much longer than the execution its delivery may take."""
