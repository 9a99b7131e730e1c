"""Facts about webhooks that gateway and workers share.

A webhook is sent by an execution of its own, `<id>.webhook`. It waits at the server until the
execution `<id>` ends; then any living worker sends the webhook.
"""

from typing import Final

FUNCTION: Final = "webhook"
"""Name of the function that sends webhooks. It is in no catalog, so no client can begin it."""

VERSION: Final = 1

PAUSES: Final = (0, 1, 5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each attempt: those that Standard Webhooks recommends, and two early ones."""

WINDOW_SECONDS: Final = sum(PAUSES) + 24 * 60 * 60
"""Seconds after the execution's timeout in which its webhook may still be sent."""
