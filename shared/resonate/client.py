"""Builds clients of the Resonate SDK; no other module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resonate import Resonate

from shared.resonate.streams import anycast, unicast

if TYPE_CHECKING:
    from resonate.models.message import Mesg
    from resonate.models.message_source import MessageSource
    from resonate.models.store import Store
    from resonate.registry import Registry


def build_client(  # noqa: PLR0913 - the parts of a client
    store: Store,
    source: MessageSource,
    *,
    group: str,
    pid: str,
    registry: Registry | None = None,
    threads: int = 1,
) -> Resonate:
    """Return a client that has no threads until `start`; then `threads` run plain functions."""
    return Resonate(
        store=store,
        message_source=source,
        group=group,
        pid=pid,
        registry=registry,
        workers=threads,
        log_level="CRITICAL",
    )


class SilentSource:
    """The SDK's message source of a process that takes no work."""

    def __init__(self, group: str) -> None:
        self.unicast = unicast(group, "none")
        self.anycast = anycast(group)

    def start(self) -> None:
        """Open nothing."""

    def stop(self) -> None:
        """Close nothing."""

    def next(self) -> Mesg | None:
        return None

    def enqueue(self, mesg: Mesg) -> None:
        raise RuntimeError(f"not part of this service: sending {mesg}")
