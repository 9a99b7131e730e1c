"""The one place where a client of the Resonate SDK is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resonate import Resonate

if TYPE_CHECKING:
    from resonate.models.message_source import MessageSource
    from resonate.models.store import Store
    from resonate.registry import Registry


def build_client(  # noqa: PLR0913 - the parts that a client is made of
    store: Store,
    source: MessageSource,
    *,
    group: str,
    pid: str,
    registry: Registry | None = None,
    threads: int = 1,
) -> Resonate:
    """Return a client that starts no thread until it is started. `threads` run plain functions."""
    return Resonate(
        store=store,
        message_source=source,
        group=group,
        pid=pid,
        registry=registry,
        workers=threads,
        log_level="CRITICAL",
    )
