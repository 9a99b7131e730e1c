"""Debian's Prometheus and its promtool, where they are installed."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.ports import free_port
from tests.support.processes import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FILES: Final = ROOT / "deploy" / "observability"

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")),
    reason="Prometheus is not installed: apt-get install prometheus",
)

FIRING: Final = 'ALERTS{alertstate="firing"}'
PENDING: Final = 'ALERTS{alertstate="pending"}'

RAISE_SECONDS: Final = 60.0


def promtool(*arguments: str, text: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run promtool to its end."""
    return subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, timeout=60, check=False
    )


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard."""
    board = json.loads((FILES / "grafana-dashboard.json").read_text())
    return [each for each in board["panels"] if each["type"] != "row"]


@dataclass
class Prometheus:
    """A Prometheus that judges every second."""

    url: str
    calm_at: float = 0.0
    """Time from which on alerts count: before its first scrape Prometheus knows of no gateway."""

    def calm(self) -> None:
        """Wait until no alert fires; from now on they count."""
        wait_until(lambda: self.firing() == set(), what="peace")
        self.calm_at = time.time() + 1
        wait_until(lambda: time.time() > self.calm_at, what="the next second")

    def series(self, query: str) -> list[dict[str, str]]:
        """Return the labels of each series in the result of a query."""
        url = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.loads(answer.read())
        return [each["metric"] for each in found["data"]["result"]]

    def labels(self, query: str, label: str) -> set[str]:
        """Return the values of a label in the result of a query."""
        return {each.get(label, "") for each in self.series(query)}

    def firing(self) -> set[str]:
        """Return the alerts that fire now."""
        return self.labels(FIRING, "alertname")

    def fired(self) -> set[str]:
        """Return all alerts that have fired since there was peace."""
        seconds = max(1, int(time.time() - self.calm_at))
        return self.labels(f"count_over_time({FIRING}[{seconds}s])", "alertname")

    @contextlib.contextmanager
    def raised(self, *alerts: str) -> Iterator[None]:
        """Require that what happens in the block raises these alerts, and no others.

        Alerts of earlier faults may go on, so these must be new.
        """
        before, own = self.fired(), set(alerts)
        assert not before & own
        yield
        wait_until(lambda: self.firing() >= own, seconds=RAISE_SECONDS, what=f"alert {alerts}")
        wait_until(lambda: not self.labels(PENDING, "alertname"), what="a decision on each alert")
        fired = self.fired()
        assert fired == before | own, f"{fired - before} have fired, not {own}"

    def ends(self, alert: str) -> None:
        """Wait until the alert does not fire any more."""
        wait_until(lambda: alert not in self.firing(), seconds=RAISE_SECONDS, what=f"{alert}'s end")


def hurried(rules: str, seconds: int) -> str:
    """Return rules that wait for so many seconds where they would wait for minutes."""
    found = re.sub(r"^(\s+for:) .*$", rf"\1 {seconds}s", rules, flags=re.MULTILINE)
    age = "durable_http_worker_oldest_offer_age_seconds) >"
    assert found.count(f"{age} 60") == 1
    return found.replace(f"{age} 60", f"{age} {seconds}")


def _config(jobs: Mapping[str, Sequence[str]], interval: str) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": "1s",
        },
        "rule_files": ["alerts.yml"],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": list(addresses)}]}
            for name, addresses in jobs.items()
        ],
    }


@contextlib.contextmanager
def prometheus(
    directory: Path, jobs: Mapping[str, Sequence[str]], *, seconds: int = 1
) -> Iterator[Prometheus]:
    """Run a Prometheus with our rules in a hurry; `jobs` has the addresses of each job.

    Each address is scraped every so many `seconds`, and may take as long for its answer.
    """
    directory.mkdir()
    (directory / "alerts.yml").write_text(hurried((FILES / "alerts.yml").read_text(), 3))
    (directory / "prometheus.yml").write_text(yaml.safe_dump(_config(jobs, f"{seconds}s")))
    port = free_port()
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    running = Prometheus(f"http://127.0.0.1:{port}")
    try:
        count = sum(map(len, jobs.values()))
        wait_until(lambda: _up(running) == count, what="a scrape of each")
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _up(running: Prometheus) -> int:
    try:
        return len(running.labels("up == 1", "instance"))
    except OSError:
        return 0
