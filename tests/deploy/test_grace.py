"""The time that containers of workers have for their end."""

from __future__ import annotations

import yaml

from tests.support.processes import ROOT


def test_a_longer_drain_can_have_its_time() -> None:
    """What a worker may take for its drain and when Docker kills it are set in the same place."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    workers = [services[name] for name in services if name.startswith("worker")]

    assert len(workers) == 4
    for worker in workers:
        assert worker["environment"]["WORKER_DRAIN_SECONDS"] == "${WORKER_DRAIN_SECONDS:-20}"
        assert worker["stop_grace_period"] == "${WORKER_STOP_GRACE:-30s}"
