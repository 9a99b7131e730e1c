"""A real Prometheus asks a real service what the dashboard shows."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from tests.support.ports import free_port, neighbouring_ports
from tests.support.processes import call, wait_until
from tests.support.prometheus import Prometheus, needs_prometheus, panels, prometheus
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from pathlib import Path


def unanswered(watching: Prometheus, legends: dict[str, str]) -> dict[str, str]:
    """Return the queries whose results are empty or lack a label of the legend, after a while."""
    left = dict(legends)

    def none_left() -> bool:
        for query, legend in [*left.items()]:
            found = watching.series(query)
            labels = {label for series in found for label in series}
            if found and labels >= set(re.findall(r"{{(\w+)}}", legend)):
                del left[query]
        return not left

    with contextlib.suppress(AssertionError):
        wait_until(none_left)
    return left


CELLS = """{
  "generation": 1,
  "cells": {"a": {"gateways": ["http://127.0.0.1:1"]}, "b": {"gateways": ["http://127.0.0.1:1"]}},
  "slots": [{"slots": "0-63", "cell": "a"}]
}"""
"""Two cells, one of which has all ids."""


@needs_prometheus
def test_each_panel_has_data(tmp_path: Path) -> None:
    """Each query of the dashboard has a result, with the labels of its legend."""
    legends = {
        # The time that Grafana puts in, for scrapes every second.
        target["expr"].replace("$__rate_interval", "10s"): target["legendFormat"]
        for panel in panels()
        for target in panel["targets"]
    }
    (tmp_path / "cells.json").write_text(CELLS)
    with running_stack(tmp_path, workers=0) as stack:
        several = stack.add_gateway(
            "several",
            GATEWAY_PROCESSES="2",
            GATEWAY_PRESENCE_PORT=str(neighbouring_ports()),
            GATEWAY_CELLS=str(tmp_path / "cells.json"),
            GATEWAY_CELL="a",
        )
        port = free_port()
        stack.add_worker("w", WORKER_METRICS_PORT=str(port)).started("metrics served")
        stack.begin("seen", body={"a": 1})
        stack.outcome("seen")
        assert call(f"{several}/wait?id=unknown").status == 404
        jobs = {"gateways": [several.removeprefix("http://")], "workers": [f"127.0.0.1:{port}"]}
        with prometheus(tmp_path / "prometheus", jobs) as watching:
            assert unanswered(watching, legends) == {}
