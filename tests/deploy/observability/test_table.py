"""The table of docs/metrics.md is what a running service exposes."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.metrics import Scraped, scrape
from tests.support.ports import free_port, neighbouring_ports
from tests.support.processes import ROOT, wait_until
from tests.support.prometheus import needs_prometheus, promtool
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

type Table = dict[str, tuple[str, frozenset[str]]]
"""The type and the labels of metrics by their names."""

ROW: Final = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| .+ \|$", re.MULTILINE)
ALL_OF_A: Final = {
    "generation": 1,
    "cells": {name: {"gateways": ["http://127.0.0.1:9"]} for name in ("a", "b")},
    "slots": [{"slots": "0-63", "cell": "a"}],
}
"""A slot map with a cell besides that of the service."""

OF_HISTOGRAMS: Final = {"le"}


def table(section: str) -> Table:
    """Return a table of the page."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    text = page.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(text)
    }


def exposed(found: Scraped) -> Table:
    """Return the same of what was scraped."""
    names: Table = {}
    for family in found.families.values():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for each in family.samples for label in each.labels} - OF_HISTOGRAMS
        names[name] = family.type, frozenset(labels)
    return names


@pytest.fixture(name="urls", scope="module")
def _urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Yield addresses of a gateway of one process, of one of two, and of a worker; all have run."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "cells.json").write_text(json.dumps(ALL_OF_A))
    cells: dict[str, Any] = {"GATEWAY_CELLS": str(folder / "cells.json"), "GATEWAY_CELL": "a"}
    with running_stack(folder, workers=0, gateway=cells) as stack:
        presence = str(neighbouring_ports())
        several = stack.add_gateway(
            "several", GATEWAY_PROCESSES="2", GATEWAY_PRESENCE_PORT=presence, **cells
        )
        port = free_port()
        stack.add_worker("w", WORKER_METRICS_PORT=str(port)).started("metrics served")
        worked(stack)
        yield stack.url, several, f"http://127.0.0.1:{port}"


def worked(stack: Stack) -> None:
    """Have every part do what it counts."""
    stack.begin("table-1", body={"a": 1})
    stack.begin("table-2", "checkout", {"pace": 0.01, "fail": "notify"})
    stack.outcome("table-1")
    stack.outcome("table-2")


def test_a_gateway_has_what_the_page_says(urls: tuple[str, str, str]) -> None:
    """A gateway of one process has all metrics but one, with their types and labels."""
    expected = table("Gateway") | table("Both")
    del expected["durable_http_gateway_process_up"]

    assert exposed(scrape(urls[0])) == expected


def test_each_of_several_processes_has_it(urls: tuple[str, str, str]) -> None:
    """Of several processes there is the same, with the number of the process as a label more."""
    wait_until(lambda: scrape(urls[1]).value("durable_http_gateway_process_up") == 2)
    expected = {
        name: (kind, labels | {"process"})
        for name, (kind, labels) in (table("Gateway") | table("Both")).items()
    }

    found = exposed(scrape(urls[1]))
    kinds = {name: kind for name, (kind, _) in found.items()}
    assert kinds == {name: kind for name, (kind, _) in expected.items()}
    assert all("process" in labels for _, labels in found.values() if labels)


def test_a_worker_has_what_the_page_says(urls: tuple[str, str, str]) -> None:
    """A worker has all metrics, with their types and labels."""
    assert exposed(scrape(urls[2])) == table("Workers") | table("Both")


@needs_prometheus
def test_promtool_finds_nothing(urls: tuple[str, str, str]) -> None:
    """Names, units and help follow Prometheus' conventions, as promtool knows them."""
    for url in urls:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            done = promtool("check", "metrics", text=answer.read())
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")
