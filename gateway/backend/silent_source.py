"""What the gateway gives the SDK for the messages that a worker would get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.resonate.streams import anycast, unicast
from shared.settings import GATEWAY_GROUP

if TYPE_CHECKING:
    from resonate.models.message import Mesg


class SilentSource:
    """The SDK's message source of a process that takes no work."""

    unicast = unicast(GATEWAY_GROUP, "none")
    anycast = anycast(GATEWAY_GROUP)

    def start(self) -> None:
        """Open nothing."""

    def stop(self) -> None:
        """Close nothing."""

    def next(self) -> Mesg | None:
        return None

    def enqueue(self, mesg: Mesg) -> None:
        raise RuntimeError(f"not part of this service: sending {mesg}")
