"""Addresses of the server's message streams."""

from __future__ import annotations

import pytest

from shared.resonate.streams import anycast, stream_path, stream_url, unicast
from shared.settings import ServerSettings


def test_an_address_names_one_process_or_any_of_a_group() -> None:
    """Unicast has the group and the process, anycast the group only."""
    assert unicast("worker", "p1") == "poll://uni@worker/p1"
    assert anycast("worker") == "poll://any@worker"


@pytest.mark.parametrize(
    ("group", "pid", "path"),
    [("worker", "p1", "/worker/p1"), ("a/b", "c?d#e", "/a%2Fb/c%3Fd%23e")],
)
def test_a_path_has_two_escaped_parts(group: str, pid: str, path: str) -> None:
    """Characters with a meaning in URLs are escaped, so that each name is one part."""
    assert stream_path(group, pid) == path


def test_a_stream_is_at_the_message_port() -> None:
    """The URL has the server's host and its message port, not the port of the store."""
    server = ServerSettings("http://server", store_port=1, message_port=2)

    assert stream_url(server, "worker", "p1") == "http://server:2/worker/p1"
