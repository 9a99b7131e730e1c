"""A worker that soon looks whether it is at fault: `python -m tests.support.impatient`."""

from __future__ import annotations

from tests.support.worker.program import serve
from worker import health

BLIND_SECONDS = 1.0
PROOF_SECONDS = 3.0

if __name__ == "__main__":
    vars(health).update(BLIND_SECONDS=BLIND_SECONDS, PROOF_SECONDS=PROOF_SECONDS)
    serve()
