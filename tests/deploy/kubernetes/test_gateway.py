"""When Kubernetes ends a gateway: its probe runs against the real one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.manifests import container, overlay
from tests.support.ports import free_port
from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

MOST = 3


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a gateway that takes few connections."""
    own = {"GATEWAY_MAX_CONNECTIONS": str(MOST), "GATEWAY_PORT": str(free_port())}
    with running_stack(tmp_path_factory.mktemp("stack"), workers=0, gateway=own) as stack:
        yield stack


def lives(stack: Stack) -> bool:
    """Return what the liveness probe of the manifests finds."""
    _, option, script = container(overlay("sqlite"), "gateway")["livenessProbe"]["exec"]["command"]
    port = stack.url.rpartition(":")[2]
    assert "5001" in script
    command = [sys.executable, option, script.replace("5001", port)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_a_gateway_at_its_limit_lives(stack: Stack) -> None:
    """A gateway with as many connections as it may have is not ended, and takes no more clients."""
    assert lives(stack)
    port = int(stack.url.rpartition(":")[2])
    with ExitStack() as clients:
        for _ in range(MOST):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        wait_until(lambda: call(f"{stack.url}/readyz").status == 503, what="the limit")

        assert lives(stack)


def test_a_gateway_that_hangs_does_not(stack: Stack) -> None:
    """A gateway whose process does nothing any more is ended."""
    os.kill(stack.gateways["gateway"].pid, signal.SIGSTOP)
    try:
        assert not lives(stack)
    finally:
        os.kill(stack.gateways["gateway"].pid, signal.SIGCONT)
