"""Builds clients of the Resonate SDK; no other module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resonate import Resonate

if TYPE_CHECKING:
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
