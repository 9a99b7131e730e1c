"""A slot: room for one running execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.slots.client import SlotClient

if TYPE_CHECKING:
    from worker.slots.parts import SharedParts
    from worker.tasks.claims import Claim


class Slot:
    """Runs one execution after the other, until the inbox is closed, with one client at a time."""

    def __init__(self, parts: SharedParts) -> None:
        self._parts = parts
        self._client = SlotClient(parts, self._replace)

    def start(self) -> None:
        self._client.sdk.start()

    @property
    def claim(self) -> Claim | None:
        """The claim under which an execution runs, or None."""
        return self._client.claim

    def give_up(self, claim: Claim) -> None:
        """Go on with a new client, since the claim is over."""
        self._client.give_up(claim)

    def dead_thread(self) -> str | None:
        """Return which thread of the client has ended although the client is in use, or None."""
        return self._client.sdk.dead_thread()

    def _replace(self, client: SlotClient) -> None:
        """Go on with a new client."""
        if client is not self._client:
            return
        self._client = SlotClient(self._parts, self._replace)
        self._client.sdk.start()
