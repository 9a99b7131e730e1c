"""The worker's settings: defaults, variables and faults."""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING

import pytest

from shared.destinations import Destinations
from shared.presence import Address
from shared.settings import LogSettings, ServerSettings
from tests.support.settings import GROUP_FAULTS, SHARED_FAULTS, assert_range, faults
from worker.settings import MetricsSettings, WorkerSettings, worker_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET = "presence-of-a-test"

EVERY_FAULT = {
    "RESONATE_PASSWORD": "s3cret",
    "RESONATE_HOST": "http://server:8001",
    "RESONATE_PORT_STORE": "x",
    "RESONATE_PORT_MESSAGE_SOURCE": "1.5",
    "LOG_LEVEL": "critical",
    "LOG_FORMAT": "text",
    "WORKER_NAME": "my worker",
    "WORKER_GROUP": "é",
    "WORKER_CONCURRENCY": "0",
    "WORKER_LEASE_SECONDS": "0.1",
    "WORKER_DRAIN_SECONDS": "nan",
    "MAX_RESULT_BYTES": "1MiB",
    "WORKER_STEP_TIMEOUT_SECONDS": "-1",
    "WORKER_MAX_RECOVERIES": "0",
    "WORKER_FUNCTIONS": "orders/flows.py",
    "WORKER_GATEWAYS": "gateway",
    "METRICS": "yes",
    "WORKER_METRICS_PORT": "65536",
}


def worker(environment: Mapping[str, str]) -> WorkerSettings:
    """Read a worker's settings, as if standard output were a file."""
    return worker_settings(environment, terminal=False)


def test_an_empty_environment_is_enough() -> None:
    """Without any variable a worker has its defaults, and the machine's name."""
    assert worker({}) == WorkerSettings(
        server=ServerSettings("http://localhost", 8001, 8002, "", ""),
        log=LogSettings("info", "json"),
        name=socket.gethostname(),
        group="worker",
        functions=("worker.functions",),
        concurrency=16,
        lease_seconds=2.0,
        drain_seconds=20.0,
        step_timeout_seconds=3600.0,
        alive_file="",
        ready_file="",
        gateways=(Address("localhost", 5002),),
        presence_secret="",
    )
    assert worker({"WORKER_NAME": "worker"}) == WorkerSettings()


def test_every_variable_is_read() -> None:
    """Each variable of a worker ends up in its setting, with its type."""
    environment = {
        "RESONATE_HOST": "http://[::1]",
        "WORKER_NAME": "worker-1",
        "WORKER_GROUP": "blue",
        "WORKER_FUNCTIONS": "orders,billing.flows",
        "WORKER_CONCURRENCY": "1024",
        "WORKER_LEASE_SECONDS": "0.5",
        "WORKER_DRAIN_SECONDS": "0",
        "WORKER_STEP_TIMEOUT_SECONDS": "7.5",
        "WORKER_MAX_RECOVERIES": "7",
        "WORKER_ALIVE_FILE": "/run/alive",
        "WORKER_READY_FILE": "/run/ready",
        "MAX_RESULT_BYTES": "2048",
        "WORKER_GATEWAYS": "gateway:5002",
        "PRESENCE_SECRET": SECRET,
        "METRICS": "off",
        "WORKER_METRICS_HOST": "::",
        "WORKER_METRICS_PORT": "9464",
    }

    assert worker(environment) == WorkerSettings(
        server=ServerSettings("http://[::1]"),
        name="worker-1",
        group="blue",
        functions=("orders", "billing.flows"),
        concurrency=1024,
        lease_seconds=0.5,
        drain_seconds=0.0,
        step_timeout_seconds=7.5,
        max_recoveries=7,
        alive_file="/run/alive",
        ready_file="/run/ready",
        max_result_bytes=2048,
        gateways=(Address("gateway", 5002),),
        presence_secret=SECRET,
        metrics=MetricsSettings(on=False, host="::", port=9464),
    )


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_blank_variable_is_not_set(value: str) -> None:
    """An empty variable, which container files often have, means the default."""
    assert worker(
        dict.fromkeys({*EVERY_FAULT, "WORKER_ALIVE_FILE", "WORKER_READY_FILE"}, value)
    ) == worker({})


@pytest.mark.parametrize(
    ("terminal", "chosen", "format"),
    [(True, "", "console"), (False, "", "json"), (True, "json", "json")],
)
def test_a_terminal_gets_columns(terminal: bool, chosen: str, format: str) -> None:  # noqa: FBT001
    """Unless LOG_FORMAT is set, logs are columns on a terminal and JSON elsewhere."""
    settings = worker_settings({"LOG_FORMAT": chosen}, terminal=terminal)

    assert settings.log.format == format


def test_all_faults_are_reported_at_once() -> None:
    """One start shows every variable at fault, each in a line of its own."""
    found = faults(worker, EVERY_FAULT)

    assert sorted(fault.split()[0] for fault in found) == sorted(
        "RESONATE_USERNAME" if name == "RESONATE_PASSWORD" else name for name in EVERY_FAULT
    )


@pytest.mark.parametrize("name", EVERY_FAULT)
def test_a_fault_is_named_after_its_variable(name: str) -> None:
    """A variable that is at fault alone is the only one that is reported."""
    (fault,) = faults(worker, {name: EVERY_FAULT[name]})

    assert name in fault


@pytest.mark.parametrize(("name", "value", "fault"), [*SHARED_FAULTS, *GROUP_FAULTS])
def test_a_fault_shows_what_is_allowed(name: str, value: str, fault: str) -> None:
    """A fault has the variable, the allowed values and the value it got."""
    assert faults(worker, {name: value}) == [f"{name} {fault}"]


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("RESONATE_PORT_STORE", "1..65535", "0..65536"),
        ("WORKER_CONCURRENCY", "1..1024", "0..1025"),
        ("WORKER_LEASE_SECONDS", "0.5..300", "0.49..300.1"),
        ("WORKER_DRAIN_SECONDS", "0..3600", "-0.1..3600.1"),
        ("MAX_RESULT_BYTES", "1024..16777216", "1023..16777217"),
        ("WORKER_STEP_TIMEOUT_SECONDS", "0..31536000", "-0.1..31536000.1"),
        ("WORKER_MAX_RECOVERIES", "1..1000", "0..1001"),
    ],
)
def test_limits_are_inclusive(name: str, allowed: str, refused: str) -> None:
    """The smallest and the greatest value are allowed, and nothing beyond them."""
    assert_range(worker, name, allowed, refused)


def test_the_password_is_never_shown() -> None:
    """Settings can be logged as they are: their text has no password."""
    settings = worker({"RESONATE_USERNAME": "somebody", "RESONATE_PASSWORD": "s3cret"})

    assert settings.server.password == "s3cret"
    assert "s3cret" not in f"{settings!r} {settings}"
    assert "somebody" in repr(settings)


def test_a_fault_does_not_show_the_password() -> None:
    """The fault for a password without its user does not repeat the password."""
    assert faults(worker, {"RESONATE_PASSWORD": "s3cret"}) == [
        "RESONATE_USERNAME and RESONATE_PASSWORD go together: set both or none"
    ]


def test_webhooks_have_a_secret_and_destinations() -> None:
    """The worker reads the secret and the allowed destinations, and the secret is not shown."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    allowed = "127.0.0.1, 10.0.0.0/8,hooks.internal"
    settings = worker({"WEBHOOK_SECRET": secret, "GATEWAY_CALLBACK_ALLOW": allowed})

    assert settings.webhooks.secret == secret
    assert settings.webhooks.destinations == Destinations.allowing(
        ["127.0.0.1", "10.0.0.0/8", "hooks.internal"]
    )
    assert secret not in repr(settings)


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("orders", ("orders",)),
        (" orders , billing.flows ,", ("orders", "billing.flows")),
        ("_own.v2", ("_own.v2",)),
        ("größen", ("größen",)),
    ],
)
def test_functions_are_modules(text: str, modules: tuple[str, ...]) -> None:
    """Modules and packages are named as in `import`, with commas between them."""
    assert worker({"WORKER_FUNCTIONS": text}).functions == modules


@pytest.mark.parametrize(
    "name", ["orders.py/x", "orders:flow", ".orders", "orders.", "orders..flow", "1orders", "a b"]
)
def test_what_names_no_module_is_refused(name: str) -> None:
    """The fault shows what is allowed, and which of several names it is about."""
    assert faults(worker, {"WORKER_FUNCTIONS": f"billing,{name}"}) == [
        f"WORKER_FUNCTIONS must be modules like orders,billing.flows, got {name!r}"
    ]


def test_a_list_of_no_modules_is_refused() -> None:
    """A worker that would serve nothing does not start."""
    assert faults(worker, {"WORKER_FUNCTIONS": " , "}) == [
        "WORKER_FUNCTIONS must be modules like orders,billing.flows, got ','"
    ]


@pytest.mark.parametrize(
    ("text", "gateways"),
    [
        ("gateway:5002", [("gateway", 5002)]),
        ("Gateway-1.example.com:1", [("gateway-1.example.com", 1)]),
        ("_presence._tcp:65535", [("_presence._tcp", 65535)]),
        ("10.0.0.1:5002", [("10.0.0.1", 5002)]),
        ("[::1]:5002", [("::1", 5002)]),
        ("[FE80::1%eth0]:5002", [("fe80::1%eth0", 5002)]),
        ("[::ffff:10.0.0.1]:5002", [("::ffff:10.0.0.1", 5002)]),
        (" a:1 ,, [::1]:2,a:1 , a:3 ", [("a", 1), ("::1", 2), ("a", 1), ("a", 3)]),
        (",", [("localhost", 5002)]),
    ],
)
def test_gateways_are_hosts_with_ports(text: str, gateways: list[tuple[str, int]]) -> None:
    """Names, IPv4 and bracketed IPv6 addresses, with commas between them."""
    assert list(worker({"WORKER_GATEWAYS": text}).gateways) == gateways


@pytest.mark.parametrize(
    "entry",
    [
        "gateway",
        "gateway:",
        ":5002",
        "gateway:0",
        "gateway:65536",
        "gateway:123456",
        "gateway:-1",
        "gateway:\u0665",
        "http://gateway:5002",
        "gateway:5002/",
        "a b:5002",
        "user@gateway:5002",
        "::1:5002",
        "[::1]",
        "[gateway]:5002",
        "[::1%]:5002",
        "größe:5002",
    ],
)
def test_what_is_no_gateway_is_refused(entry: str) -> None:
    """The fault shows which of several gateways it is about."""
    assert faults(worker, {"WORKER_GATEWAYS": f"gateway:5002,{entry}"}) == [
        f"WORKER_GATEWAYS must be hosts with ports, got {entry!r}"
    ]


def test_the_presence_secret_is_never_shown(tmp_path: Path) -> None:
    """It comes from its variable, or from a file; neither settings nor faults show it."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    file = {"PRESENCE_SECRET_FILE": str(tmp_path / "secret")}

    assert worker({"PRESENCE_SECRET": SECRET}).presence_secret == SECRET
    assert worker(file).presence_secret == SECRET
    assert worker({**file, "PRESENCE_SECRET": f"{SECRET}-2"}).presence_secret == f"{SECRET}-2"
    assert SECRET not in repr(worker(file))
    assert "s3cret" not in "".join(faults(worker, {"PRESENCE_SECRET": "s3cret"}))


def test_a_presence_secret_must_be_readable(tmp_path: Path) -> None:
    """A file that is missing, or has no secret of the required form, is a fault."""
    missing, bad = tmp_path / "missing", tmp_path / "bad"
    bad.write_bytes(b"\xff" * 20)

    (fault,) = faults(worker, {"PRESENCE_SECRET_FILE": str(missing)})
    assert fault == f"PRESENCE_SECRET_FILE cannot be read: {missing}: No such file or directory"
    (fault,) = faults(worker, {"PRESENCE_SECRET_FILE": str(bad)})
    assert fault.startswith("PRESENCE_SECRET")
    (fault,) = faults(worker, {"PRESENCE_SECRET_FILE": str(tmp_path)})
    assert fault.endswith("Is a directory")
