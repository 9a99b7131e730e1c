"""Objects for operators, of which no library has schemas: the documented fields that we use."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct


class Relabeling(Struct, forbid_unknown_fields=True, rename="camel"):
    """Sets a label of all that an endpoint answers."""

    target_label: str
    replacement: str


class Endpoint(Struct, forbid_unknown_fields=True, rename="camel"):
    """What is asked for metrics."""

    port: str
    path: str
    interval: str
    relabelings: list[Relabeling]


class Selector(Struct, forbid_unknown_fields=True, rename="camel"):
    """Labels of a Service or a pod."""

    match_labels: dict[str, str]


class ServiceMonitor(Struct, forbid_unknown_fields=True):
    """Asks the pods of a Service."""

    selector: Selector
    endpoints: list[Endpoint]


class PodMonitor(Struct, forbid_unknown_fields=True, rename="camel"):
    """Asks pods."""

    selector: Selector
    pod_metrics_endpoints: list[Endpoint]


class Rule(Struct, forbid_unknown_fields=True, rename={"for_": "for"}):
    """An alert."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    for_: str = "0s"


class RuleGroup(Struct, forbid_unknown_fields=True):
    """Alerts that are looked at together."""

    name: str
    rules: list[Rule]


class PrometheusRule(Struct, forbid_unknown_fields=True):
    """Alerts for the Prometheus Operator."""

    groups: list[RuleGroup]


class Trigger(Struct, forbid_unknown_fields=True, rename="camel"):
    """A query and what its value should be for each pod, or in all."""

    type: Literal["prometheus"]
    name: str
    metric_type: Literal["AverageValue", "Value"]
    metadata: dict[Literal["serverAddress", "query", "threshold"], str]


class ScaledObject(Struct, forbid_unknown_fields=True, rename="camel"):
    """What KEDA scales, and by what."""

    scale_target_ref: dict[Literal["name"], str]
    min_replica_count: int
    max_replica_count: int
    polling_interval: int
    advanced: dict[Literal["horizontalPodAutoscalerConfig"], dict[Literal["behavior"], Any]]
    triggers: list[Trigger]


OPERATORS: Final[dict[tuple[str, str], type[Struct]]] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ServiceMonitor,
    ("monitoring.coreos.com/v1", "PodMonitor"): PodMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PrometheusRule,
    ("keda.sh/v1alpha1", "ScaledObject"): ScaledObject,
}
