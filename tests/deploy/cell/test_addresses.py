"""Where a guard listens for its server, and where it asks that."""

from __future__ import annotations

import pytest

from deploy.store.guard.server_settings import ServerSettings
from deploy.store.guard.settings import METRICS


@pytest.mark.parametrize(
    ("flags", "listens", "asked"),
    [
        ([], ("", 9090), ("127.0.0.1", 9090)),
        (["--metrics-addr=:7000"], ("", 7000), ("127.0.0.1", 7000)),
        (["--metrics-addr=[::]:7000"], ("", 7000), ("127.0.0.1", 7000)),
        (["--metrics-addr=0.0.0.0:7000"], ("0.0.0.0", 7000), ("127.0.0.1", 7000)),
        (["--metrics-addr=10.0.0.2:7000"], ("10.0.0.2", 7000), ("10.0.0.2", 7000)),
        (["--metrics-addr=[fd00::2]:7000"], ("fd00::2", 7000), ("fd00::2", 7000)),
    ],
)
def test_addresses(flags: list[str], listens: tuple[str, int], asked: tuple[str, int]) -> None:
    """The guard listens at the server's own address, and asks one that reaches it."""
    server = ServerSettings({}, flags)

    assert server.listener(METRICS) == listens
    assert server.address(METRICS) == asked
