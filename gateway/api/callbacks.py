"""Judges the URL that a client wants to be called at, before anything is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.concurrency.threads import BoundedExecutor
from gateway.errors import BackendUnavailable, InvalidInput
from shared.destinations import Forbidden, Target, Unresolved

if TYPE_CHECKING:
    from shared.settings import WebhookSettings

LOOKUP_SECONDS: Final = 2.0
LOOKUPS_AT_ONCE: Final = 8
"""In threads of their own, so that slow name servers keep no call to the server waiting."""


class Callbacks:
    """Tells whether a webhook could be delivered, as far as can be known now.

    A name that cannot be looked up right now passes: the delivery looks again whenever it tries.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._lookups = BoundedExecutor(LOOKUPS_AT_ONCE, 8 * LOOKUPS_AT_ONCE, LOOKUP_SECONDS)

    async def check(self, url: str) -> None:
        """Raise `InvalidInput` for a URL to which nothing would ever be delivered."""
        if not self._settings.secret:
            raise InvalidInput(
                "callback: this service sends no webhooks; WEBHOOK_SECRET is not set"
            )
        try:
            target = Target.of(url)
            await self._lookups.run(self._settings.to.resolve, target.host, target.port)
        except Forbidden as error:
            raise InvalidInput(f"callback: {error}") from error
        except (BackendUnavailable, Unresolved):
            return

    def close(self) -> None:
        self._lookups.close()
