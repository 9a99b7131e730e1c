"""The life of a client of the SDK."""

from __future__ import annotations

from tests.support.processes import run_program

STOPPED_BESIDE_RETRIES = """
import threading
from resonate.registry import Registry
from shared.resonate.client import SilentSource, build_client
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from worker.sdk.client import SdkClient
from worker.sdk.patches import WakingDelayQ, replace_growing_parts

replace_growing_parts()
store = Store(Transport(ServerSettings(), attempt=1, budget=1))
client = build_client(store, SilentSource("worker"), group="worker", pid="p", registry=Registry())
bridge = vars(vars(client)["_bridge"])
sdk = SdkClient(client)
passing_on = WakingDelayQ.get

def get(queue, now):
    found = passing_on(queue, now)
    sdk.stop_soon()
    assert bridge["_shutdown"].wait(5)
    return found

WakingDelayQ.get = get
sdk.start()
bridge["_delay_q_thread"].join(5)
assert not bridge["_delay_q_thread"].is_alive()
print("alive")
"""


def test_a_client_that_is_stopped_while_it_passes_retries_on() -> None:
    """The thread of delayed retries ends, whenever its client is stopped, and the process lives."""
    done = run_program(STOPPED_BESIDE_RETRIES)

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
