"""A gateway in a cluster is asked from outside, by kubectl."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from gateway.cells.hash_slots import Slot, SlotMap
from tests.support.processes import ROOT
from tools.cells import slot_map
from tools.kubernetes.manifests import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL: Final = "http://gateway-1.gateway-presence.orders.svc.cluster.local:5001"
MAP: Final = SlotMap(7, {"orders": (URL,)}, tuple(Slot("orders") for _ in range(64)))
KUBECTL: Final = """#!{python}
import os, sys
with open({record!r}, "w") as file:
    print(*sys.argv[1:sys.argv.index("--")], file=file)
program, *arguments = sys.argv[sys.argv.index("--") + 1:]
assert program == "python"
os.execv(sys.executable, [program, *(each.replace("5001", {port!r}) for each in arguments)])
"""
"""A kubectl that executes the command here, where the gateway has another port."""


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers GET /cells, to those who have the first token."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer first"
        self.send_response(200 if known and self.path == "/cells" else 401)
        self.end_headers()
        self.wfile.write(
            json.dumps({"cell": "orders", "generation": 7, "digest": MAP.digest}).encode()
        )

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def gateway() -> Iterator[int]:
    """Run a gateway; yield its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.json"
    slot_map.write(path, slot_map.encoded(MAP))
    return path


def shown(file: Path, port: int, tokens: str) -> str:
    """Return what `show` prints of the one gateway, which is asked by a kubectl of ours."""
    kubectl = file.with_name("kubectl")
    record = str(file.with_name("arguments"))
    kubectl.write_text(KUBECTL.format(python=sys.executable, record=record, port=str(port)))
    kubectl.chmod(0o755)
    command = [sys.executable, "-m", "tools.cells", "show", "--map", str(file)]
    done = subprocess.run(
        [*command, "--ask", str(FOLDER / "move" / "ask.sh")],
        cwd=ROOT,
        env={"PATH": f"{file.parent}:/usr/bin:/bin", "GATEWAY_TOKENS": tokens},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.splitlines()[-1].strip()


def test_a_gateway_is_asked_by_kubectl(file: Path) -> None:
    """Its answer comes by way of its own pod, with the token that the pod has."""
    with gateway() as port:
        assert shown(file, port, "first, second") == f"{URL}  generation 7"
        assert file.with_name("arguments").read_text().split() == [
            *("--namespace", "orders", "exec", "gateway-1", "--container", "gateway")
        ]
        assert shown(file, port, "second") == f"{URL}  cannot be asked"


def test_no_kubectl_is_no_answer(file: Path) -> None:
    """A gateway that cannot be asked is said to be so."""
    with gateway() as port:
        pass
    assert shown(file, port, "first") == f"{URL}  cannot be asked"
