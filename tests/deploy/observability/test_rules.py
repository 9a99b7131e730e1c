"""The files for Prometheus and Grafana, by themselves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.support.processes import ROOT
from tests.support.prometheus import FILES, needs_prometheus, panels, promtool

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = (ROOT / "docs" / "metrics.md").read_text
METRIC: Final = re.compile(r"\b(?:durable_http|process)_\w+")
SUFFIX: Final = re.compile(r"_(?:bucket|sum|count)$")


def rules() -> list[dict[str, Any]]:
    """Return the alerts."""
    (group,) = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def documented() -> set[str]:
    """Return the metrics that the page has."""
    return set(re.findall(r"^\| `((?:durable_http|process)_\w+)` \|", PAGE(), re.MULTILINE))


def asked(text: str) -> set[str]:
    """Return the metrics of which an expression or a text makes use."""
    return {SUFFIX.sub("", name) for name in METRIC.findall(text)}


@needs_prometheus
def test_prometheus_takes_the_files() -> None:
    """The configuration and the rules are valid."""
    files = ("config", "prometheus.yml"), ("config", "prometheus.ha.yml"), ("rules", "alerts.yml")
    for kind, file in files:
        done = promtool("check", kind, str(FILES / file))
        assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_each_alert_fires_and_stays_quiet() -> None:
    """The tests of the rules hold."""
    done = promtool("test", "rules", str(FILES / "alerts_test.yml"))

    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_each_alert_has_a_test() -> None:
    """For each alert there is a time at which it fires, and one at which nothing does."""
    tests = yaml.safe_load((FILES / "alerts_test.yml").read_text())["tests"]
    fired, quiet = set(), set()
    for test in tests:
        for expected in test["promql_expr_test"]:
            names = re.findall(r'alertname="(\w+)"', str(expected["exp_samples"]))
            fired.update(names)
            if not names:
                quiet.update(asked(str(test["input_series"])))

    assert fired == {rule["alert"] for rule in rules()}
    assert quiet >= {name for rule in rules() for name in asked(rule["expr"])} - {
        "durable_http_worker_executions_total"
    }


def test_each_alert_says_what_to_do() -> None:
    """An alert has a severity, a line that says what is wrong, and what to do first."""
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert 10 < len(rule["annotations"]["summary"]) < 80
        assert len(rule["annotations"]["description"]) > 120


def test_the_page_has_the_alerts() -> None:
    """The table of alerts is that of the rules, with their severities."""
    table = re.findall(r"^\| `(\w+)` \| (critical|warning) \|", PAGE(), re.MULTILINE)

    assert table == [(rule["alert"], rule["labels"]["severity"]) for rule in rules()]


def test_alerts_and_panels_ask_for_what_there_is() -> None:
    """Expressions and descriptions name no metric that the page does not have."""
    used = {name for rule in rules() for name in asked(str(rule))}
    used |= {name for panel in panels() for name in asked(str(panel["targets"]))}

    assert used - documented() == set()


def test_the_dashboard_shows_all_metrics() -> None:
    """There is a panel for each metric of our own."""
    shown = {name for panel in panels() for name in asked(str(panel["targets"]))}
    own = {name for name in documented() if name.startswith("durable_http")}

    assert own - shown == set()


def numbers(value: Any) -> Iterator[int]:
    """Yield the ids of panels."""
    for panel in value["panels"]:
        yield panel["id"]


def test_the_dashboard_is_in_order() -> None:
    """Panels have ids of their own, lie beside each other, and take any Prometheus."""
    board = json.loads((FILES / "grafana-dashboard.json").read_text())
    ids = list(numbers(board))
    places = [panel["gridPos"] for panel in board["panels"]]
    covered = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(ids) == len(set(ids))
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    for panel in panels():
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))


def test_the_containers_use_the_files() -> None:
    """What compose.yaml mounts exists, and its ports are on loopback."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name in ("prometheus", "grafana"):
        service = services[name]
        assert service["profiles"] == ["observability"]
        assert re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        mounted = [each.split(":")[0] for each in service["volumes"] if each.startswith("./")]
        assert mounted
        assert all((ROOT / path).exists() for path in mounted)


class Loader(yaml.SafeLoader):
    """Reads files of Compose, and passes over their tags, such as `!override`."""


def _without_tag(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else None


Loader.add_multi_constructor("!", _without_tag)


def services(*files: str) -> dict[str, Any]:
    """Return the services of files, each by the last one that has it."""
    found: dict[str, Any] = {}
    for file in files:
        found |= yaml.load((ROOT / file).read_text(), Loader)["services"]
    return found


def jobs(file: str) -> dict[str, Any]:
    """Return what Prometheus asks, by the names of the jobs."""
    scrapes = yaml.safe_load((FILES / file).read_text())["scrape_configs"]
    return {each["job_name"]: each for each in scrapes}


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ("prometheus.yml", ["compose.yaml"]),
        ("prometheus.ha.yml", ["compose.yaml", "compose.ha.yaml"]),
    ],
)
def test_all_containers_are_scraped(config: str, files: list[str]) -> None:
    """Prometheus reads the file of its setup, which has each container that has metrics."""
    there = services(*files)
    asked = jobs(config).values()
    static = (each["targets"] for job in asked for each in job.get("static_configs", ()))
    found = (each["names"] for job in asked for each in job.get("dns_sd_configs", ()))
    names = {target.partition(":")[0] for targets in (*static, *found) for target in targets}

    assert f"--config.file=/etc/prometheus/{config}" in there["prometheus"]["command"]
    scraped = ("worker", "gateway", "resonate", "haproxy")
    assert names == {name for name in there if name.startswith(scraped)}


def test_two_servers_are_scraped_like_one() -> None:
    """What both setups have is asked in the same way, with the same flags."""
    plain, ha = jobs("prometheus.yml"), jobs("prometheus.ha.yml")
    assert ha.keys() - plain.keys() == {"balancer"}
    for name, job in plain.items():
        ((own,), (both,)) = (each.pop("static_configs") for each in (job, ha[name]))
        assert set(own["targets"]) <= set(both["targets"])
        assert job == ha[name]
    first, second = (
        services(file)["prometheus"]["command"] for file in ("compose.yaml", "compose.ha.yaml")
    )
    assert first[1:] == second[1:]
