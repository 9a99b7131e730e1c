"""A process with more claims than a worker has slots, which a test starts as a module.

It claims the executions HOLDER_PREFIX-0 and so on, HOLDER_COUNT of them, and waits for its death.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from shared.log import configure_logging, get_logger
from shared.presence import Address, Hello
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused, Transport
from shared.settings import LogSettings, ServerSettings
from tests.support.processes import wait_until
from worker.presence.presence import Presence
from worker.tasks.board import Board
from worker.tasks.claims import Claim
from worker.tasks.leases import Leases

LEASE_SECONDS = 60.0
"""So long that a claim that is free before was dropped."""

THREADS = 16
PID = "holder-pid"


def main() -> None:
    """Hold the claims until a signal ends the process."""
    read = os.environ
    configure_logging(LogSettings(), "holder")
    port = int(read["RESONATE_PORT_STORE"])
    tasks = Tasks(Transport(ServerSettings(read["RESONATE_HOST"], port), attempt=5, budget=5))
    hello = Hello(
        secret=read["PRESENCE_SECRET"],
        worker="holder",
        pid=PID,
        group="nobody",
        slots=1,
        started_at=int(time.time() * 1000),
        serves={},
    )
    gateways = [Address(*_parts(name)) for name in read["WORKER_GATEWAYS"].split(",")]
    presence = Presence(gateways, hello, list, LEASE_SECONDS)
    presence.start()
    leases = Leases(tasks, Board(), LEASE_SECONDS, presence)

    def claim(number: int) -> None:
        id = f"{read['HOLDER_PREFIX']}-{number}"
        claim = Claim(f"__invoke:{id}", 1, id)
        leases.hold(claim)

        def is_granted() -> bool:
            with contextlib.suppress(Refused):  # until the server has made the task
                tasks.claim_raw(claim.task, claim.counter, PID, int(LEASE_SECONDS * 1000))
                return True
            return False

        wait_until(is_granted, what=f"the claim of {id}")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(claim, range(int(read["HOLDER_COUNT"]))))
    get_logger().info("holds all")
    signal.pause()


def _parts(name: str) -> tuple[str, int]:
    host, _, port = name.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
