"""Every attack at once beside healthy work; then a verdict.

It takes 20 s of attacks, or FAULTS_SECONDS if FAULTS_HOSTILE is set. FAULTS_ATTACKS names the only
attacks to make, separated by commas.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.faults.attacks.campaign import chosen
from tests.support.faults.hostile_run import HostileRun
from tests.support.faults.old_executions import add_old_executions
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack

SHORT_SECONDS: Final = 20.0
SECONDS: Final = (
    float(os.environ.get("FAULTS_SECONDS", "600"))
    if os.environ.get("FAULTS_HOSTILE")
    else SHORT_SECONDS
)
SEED: Final = int(os.environ.get("FAULTS_SEED", "1"))
BEFORE_SECONDS: Final = max(15.0, SECONDS / 5)
"""Seconds without attacks, to compare with."""

OLD: Final = 100_000
"""Executions that the store has had before."""

SECRET: Final = "whsec_" + "c2VjcmV0" * 4
WEBHOOKS: Final = {"WEBHOOK_SECRET": SECRET, "GATEWAY_CALLBACK_ALLOW": "127.0.0.1"}


@pytest.fixture(name="urls")
def _urls(hostile: Stack) -> list[str]:
    return [hostile.url, hostile.add_gateway("gateway-2", ready=True, **WEBHOOKS)]


@pytest.fixture(name="hostile")
def _hostile(tmp_path: Path) -> Iterator[Stack]:
    """Yield a service whose three workers have all odd functions."""
    with running_stack(tmp_path, workers=0, gateway=WEBHOOKS) as stack:
        for number in (1, 2, 3):
            stack.add_worker(f"worker-{number}", "tests.support.worker.odd", **WEBHOOKS)
        add_old_executions(stack, OLD)
        yield stack


@pytest.mark.long
@pytest.mark.timeout(SECONDS + BEFORE_SECONDS + 300)
def test_healthy_work_beside_every_attack(hostile: Stack, urls: list[str], tmp_path: Path) -> None:
    """Healthy work goes on in its time, nothing dies but by poison, and memory is bounded."""
    run = HostileRun(hostile, urls, tmp_path, chosen(), SEED)
    seen = run.seen(BEFORE_SECONDS, SECONDS)
    print(f"\nseed {SEED}, {SECONDS:g} s\n{seen.summary()}")  # noqa: T201 - the run's summary
    faults = list(seen.faults())
    assert not faults, "\n".join(faults)
