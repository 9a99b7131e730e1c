"""Checks the callback URL of a request before anything is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import BackendUnavailable, InvalidInput
from shared.destinations import Forbidden, Target, Unresolved

if TYPE_CHECKING:
    from shared.settings import WebhookSettings

LOOKUP_SECONDS: Final = 2.0
LOOKUP_THREADS: Final = 8
"""Threads for host lookups alone, so that slow name servers delay no call to the server."""

QUEUED_LOOKUPS: Final = 8 * LOOKUP_THREADS


class CallbackChecker:
    """Checks whether a webhook could be delivered to a URL, as far as that is known now."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._lookups = BoundedExecutor(LOOKUP_THREADS, QUEUED_LOOKUPS, LOOKUP_SECONDS)

    async def check(self, url: str) -> None:
        """Raise `InvalidInput` for a URL to which no webhook would ever be delivered."""
        if not self._settings.secret:
            raise InvalidInput(
                "callback: this service sends no webhooks, since WEBHOOK_SECRET is not set."
            )
        try:
            target = Target.of(url)
            await self._lookups.run(self._settings.destinations.resolve, target.host, target.port)
        except Forbidden as error:
            raise InvalidInput(f"callback: {error}.") from error
        except (BackendUnavailable, Unresolved):
            # A host that cannot be looked up now may be found later: each delivery looks it up.
            return

    def close(self) -> None:
        """Look up nothing more."""
        self._lookups.close()
