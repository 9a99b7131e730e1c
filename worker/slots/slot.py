"""A slot: room for one running execution."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from worker.slots.client import SlotClient

if TYPE_CHECKING:
    from worker.slots.parts import SharedParts


class Slot:
    """Runs one execution after the other, until the inbox is closed, with one client at a time."""

    def __init__(self, parts: SharedParts) -> None:
        self._parts = parts
        self._client = SlotClient(parts, self._replace)

    def start(self) -> None:
        self._client.start()

    def _replace(self, client: SlotClient) -> None:
        """Go on with a new client."""
        if client is not self._client:
            return
        self._client = SlotClient(self._parts, self._replace)
        self._client.start()
        # This is a thread of the old client, and stopping it waits for its threads.
        threading.Thread(target=client.stop, name="closing", daemon=True).start()
