"""What the environment may say, what it means and what is said about its faults."""

from __future__ import annotations

import base64
import re
import socket
from dataclasses import FrozenInstanceError, astuple, replace
from typing import TYPE_CHECKING

import pytest

from gateway.settings import Deadlines, GatewaySettings, gateway_settings
from shared.destinations import Destinations
from shared.environment import SettingsError
from shared.settings import LogSettings, ServerSettings
from worker.settings import WorkerSettings, worker_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    type Read = Callable[[Mapping[str, str]], GatewaySettings | WorkerSettings]

NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

EVERY_GATEWAY_FAULT = {
    "RESONATE_USERNAME": "somebody",
    "RESONATE_HOST": "ftp://server",
    "RESONATE_PORT_STORE": "0",
    "RESONATE_PORT_MESSAGE_SOURCE": "65536",
    "LOG_LEVEL": "loud",
    "LOG_FORMAT": "xml",
    "GATEWAY_PORT": "-1",
    "GATEWAY_MAX_BODY": "many",
    "WORKER_GROUP": "a/b",
}

EVERY_WORKER_FAULT = {
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
}


def gateway(environment: Mapping[str, str]) -> GatewaySettings:
    """Read a gateway's settings, as if standard output were a file."""
    return gateway_settings(environment, terminal=False)


def worker(environment: Mapping[str, str]) -> WorkerSettings:
    """Read a worker's settings, as if standard output were a file."""
    return worker_settings(environment, terminal=False)


def faults(read: Read, environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        read(environment)
    return caught.value.faults


def test_a_gateway_needs_nothing() -> None:
    """With no variable at all a gateway has its defaults, which suit one machine."""
    assert gateway({}) == GatewaySettings(
        server=ServerSettings("http://localhost", 8001, 8002, "", ""),
        log=LogSettings("info", "json"),
        host="127.0.0.1",
        port=5001,
        max_body=1048576,
        worker_group="worker",
        threads=32,
        queue=4096,
        deadlines=Deadlines(2.0, 3.0, 4.0, 10.0),
    )
    assert gateway({}) == GatewaySettings()


def test_a_worker_needs_nothing() -> None:
    """With no variable at all a worker has its defaults, and the machine's name."""
    assert worker({}) == WorkerSettings(
        server=ServerSettings("http://localhost", 8001, 8002, "", ""),
        log=LogSettings("info", "json"),
        name=socket.gethostname(),
        group="worker",
        concurrency=16,
        lease_seconds=2.0,
        drain_seconds=20.0,
        alive_file="",
    )
    assert worker({"WORKER_NAME": "worker"}) == WorkerSettings()


def test_a_gateway_reads_every_variable() -> None:
    """Each variable of a gateway ends up in its setting, with its type."""
    environment = {
        "RESONATE_HOST": "https://server.example/",
        "RESONATE_PORT_STORE": "1",
        "RESONATE_PORT_MESSAGE_SOURCE": "65535",
        "RESONATE_USERNAME": "somebody",
        "RESONATE_PASSWORD": "s3cret",
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "Console",
        "GATEWAY_HOST": "0.0.0.0",
        "GATEWAY_PORT": "0",
        "GATEWAY_MAX_BODY": "1",
        "WORKER_GROUP": "blue.1",
    }

    assert gateway(environment) == GatewaySettings(
        server=ServerSettings("https://server.example", 1, 65535, "somebody", "s3cret"),
        log=LogSettings("debug", "console"),
        host="0.0.0.0",
        port=0,
        max_body=1,
        worker_group="blue.1",
    )


def test_a_worker_reads_every_variable() -> None:
    """Each variable of a worker ends up in its setting, with its type."""
    environment = {
        "RESONATE_HOST": "http://[::1]",
        "WORKER_NAME": "worker-1",
        "WORKER_GROUP": "blue",
        "WORKER_CONCURRENCY": "256",
        "WORKER_LEASE_SECONDS": "0.5",
        "WORKER_DRAIN_SECONDS": "0",
        "WORKER_ALIVE_FILE": "/run/alive",
    }

    assert worker(environment) == WorkerSettings(
        server=ServerSettings("http://[::1]"),
        name="worker-1",
        group="blue",
        concurrency=256,
        lease_seconds=0.5,
        drain_seconds=0.0,
        alive_file="/run/alive",
    )


@pytest.mark.parametrize("read", [gateway, worker])
@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_blank_variable_is_not_set(read: Read, value: str) -> None:
    """An empty variable, as container files like to have them, means the default."""
    names = {*EVERY_GATEWAY_FAULT, *EVERY_WORKER_FAULT, "GATEWAY_HOST", "WORKER_ALIVE_FILE"}

    assert read(dict.fromkeys(names, value)) == read({})


def test_space_around_a_value_is_no_part_of_it() -> None:
    """A line end behind a value that came from a file does no harm."""
    settings = gateway({"GATEWAY_PORT": " 80\n", "WORKER_GROUP": "blue\n"})

    assert (settings.port, settings.worker_group) == (80, "blue")


@pytest.mark.parametrize(
    ("terminal", "chosen", "format"),
    [(True, "", "console"), (False, "", "json"), (True, "json", "json")],
)
def test_a_terminal_gets_columns(terminal: bool, chosen: str, format: str) -> None:  # noqa: FBT001
    """Unless the format is chosen, a person reads columns and a machine reads JSON."""
    environment = {"LOG_FORMAT": chosen}

    assert gateway_settings(environment, terminal=terminal).log.format == format
    assert worker_settings(environment, terminal=terminal).log.format == format


@pytest.mark.parametrize(
    ("read", "environment"), [(gateway, EVERY_GATEWAY_FAULT), (worker, EVERY_WORKER_FAULT)]
)
def test_all_faults_are_reported_at_once(read: Read, environment: dict[str, str]) -> None:
    """One start shows every variable that is at fault, each in a line of its own."""
    found = faults(read, environment)

    assert sorted(fault.split()[0] for fault in found) == sorted(
        "RESONATE_USERNAME" if name == "RESONATE_PASSWORD" else name for name in environment
    )


@pytest.mark.parametrize(
    ("read", "every", "name"),
    [
        *((gateway, EVERY_GATEWAY_FAULT, name) for name in EVERY_GATEWAY_FAULT),
        *((worker, EVERY_WORKER_FAULT, name) for name in EVERY_WORKER_FAULT),
    ],
)
def test_a_fault_is_named_after_its_variable(read: Read, every: dict[str, str], name: str) -> None:
    """A variable that is at fault alone is the only one that is complained about."""
    (fault,) = faults(read, {name: every[name]})

    assert name in fault


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("RESONATE_PORT_STORE", "x", "must be 1 to 65535 (a TCP port), got 'x'"),
        ("RESONATE_PORT_STORE", "1.5", "must be a whole number, got 1.5"),
        ("RESONATE_PORT_STORE", "inf", "must be 1 to 65535 (a TCP port), got 'inf'"),
        ("RESONATE_PORT_STORE", "nan", "must be 1 to 65535 (a TCP port), got 'nan'"),
        ("RESONATE_HOST", "server", "must look like http://host, got 'server'"),
        ("RESONATE_HOST", "http://", "must look like http://host, got 'http://'"),
        ("RESONATE_HOST", "http://a/b", "must look like http://host, got 'http://a/b'"),
        ("LOG_LEVEL", "loud", "must be one of debug, info, warning, error, got 'loud'"),
        ("RESONATE_HOST", "http://[::1", "must look like http://host, got 'http://[::1'"),
        ("RESONATE_HOST", "http://a b", "must look like http://host, got 'http://a b'"),
        ("RESONATE_HOST", "http://a?b=1", "must look like http://host, got 'http://a?b=1'"),
        ("WORKER_GROUP", "a b", f"must match {NAME}, got 'a b'"),
        ("WORKER_GROUP", "..", f"must match {NAME}, got '..'"),
        ("WORKER_GROUP", "x" * 65, f"must match {NAME}, got '{'x' * 65}'"),
    ],
)
@pytest.mark.parametrize("read", [gateway, worker])
def test_a_fault_says_what_is_allowed(read: Read, name: str, value: str, fault: str) -> None:
    """A fault names what may stand there and what stood there."""
    assert faults(read, {name: value}) == [f"{name} {fault}"]


def test_a_password_in_the_host_is_not_shown() -> None:
    """A user belongs into variables of its own, and what was written is kept out of logs."""
    (fault,) = faults(worker, {"RESONATE_HOST": "http://user:secret@server"})

    assert fault == (
        "RESONATE_HOST must hold no user: RESONATE_USERNAME and RESONATE_PASSWORD say it"
    )


@pytest.mark.parametrize(
    "changed", [{"store_attempt": 5.0}, {"store_budget": 4.0}, {"offload": 10.0}]
)
def test_deadlines_are_in_order(changed: dict[str, float]) -> None:
    """A deadline that would hide the next one is refused."""
    with pytest.raises(ValueError, match="shorter than the next"):
        Deadlines(**changed)


@pytest.mark.parametrize("host", ["http://server:8001", "http://[::1]:8001", "http://server:"])
def test_a_port_in_the_host_is_a_fault_of_its_own(host: str) -> None:
    """Whoever writes a port into the host is told where it belongs."""
    (fault,) = faults(worker, {"RESONATE_HOST": host})

    assert fault == (
        "RESONATE_HOST must have no port: "
        f"RESONATE_PORT_STORE and RESONATE_PORT_MESSAGE_SOURCE say it, got {host!r}"
    )


@pytest.mark.parametrize(
    ("name", "read", "low", "high", "under", "over"),
    [
        ("GATEWAY_PORT", gateway, "0", "65535", "-1", "65536"),
        ("GATEWAY_MAX_BODY", gateway, "1", "67108864", "0", "67108865"),
        ("RESONATE_PORT_STORE", worker, "1", "65535", "0", "65536"),
        ("WORKER_CONCURRENCY", worker, "1", "256", "0", "257"),
        ("WORKER_LEASE_SECONDS", worker, "0.5", "300", "0.49", "300.1"),
        ("WORKER_DRAIN_SECONDS", worker, "0", "3600", "-0.1", "3600.1"),
    ],
)
def test_limits_are_inclusive(  # noqa: PLR0913, PLR0917 - the parts of a range
    name: str, read: Read, low: str, high: str, under: str, over: str
) -> None:
    """The smallest and the greatest value are allowed, and nothing beyond them."""
    limit = re.compile(rf"{name} must be \S+ to \S+ .+, got '{re.escape(under)}'")

    assert read({name: low}) != read({name: high})
    assert limit.fullmatch(faults(read, {name: under})[0])
    assert len(faults(read, {name: over})) == 1


def test_the_error_reads_as_one_line() -> None:
    """The text of the error is its faults, one after the other."""
    error = SettingsError(["A is wrong", "B is missing"])

    assert (str(error), error.faults) == (
        "A is wrong; B is missing",
        ["A is wrong", "B is missing"],
    )


@pytest.mark.parametrize("read", [gateway, worker])
def test_the_password_is_never_shown(read: Read) -> None:
    """Settings can be logged as they are: whoever reads them does not learn the password."""
    environment = {"RESONATE_USERNAME": "somebody", "RESONATE_PASSWORD": "s3cret"}
    settings = read(environment)

    assert settings.server.password == "s3cret"
    assert "s3cret" not in f"{settings!r} {settings}"
    assert "somebody" in repr(settings)


@pytest.mark.parametrize("read", [gateway, worker])
def test_a_fault_does_not_show_the_password(read: Read) -> None:
    """A password without its user is complained about without being repeated."""
    assert faults(read, {"RESONATE_PASSWORD": "s3cret"}) == [
        "RESONATE_USERNAME and RESONATE_PASSWORD go together: set both or none"
    ]


def test_each_deadline_leaves_room_for_the_next() -> None:
    """An inner deadline ends before the one around it, or nobody would hear what happened."""
    deadlines = astuple(gateway({}).deadlines)

    assert list(deadlines) == sorted(set(deadlines))


def test_settings_stay_as_they_were_read() -> None:
    """Nobody can change settings that others have read already."""
    with pytest.raises(FrozenInstanceError):
        gateway({}).server.host = "http://elsewhere"  # type: ignore[misc]

    assert replace(gateway({}), port=1).port == 1


@pytest.mark.parametrize("read", [gateway, worker])
def test_webhooks_have_a_secret_and_places_to_go(
    read: Callable[[Mapping[str, str]], GatewaySettings | WorkerSettings],
) -> None:
    """Both sides read the same two variables, and the secret is not shown."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    allowed = "127.0.0.1, 10.0.0.0/8,hooks.internal"
    settings = read({"WEBHOOK_SECRET": secret, "GATEWAY_CALLBACK_ALLOW": allowed})

    assert settings.webhooks.secret == secret
    assert settings.webhooks.to == Destinations.allowing(
        ["127.0.0.1", "10.0.0.0/8", "hooks.internal"]
    )
    assert secret not in repr(settings)


@pytest.mark.parametrize(
    "secret",
    ["whsec_", "whsec_AAAA", "whsec_" + "A" * 92, "whsec_!!!", "A" * 44, "whsec_" + "é" * 44],
)
def test_what_cannot_sign_is_no_secret(secret: str) -> None:
    """A secret that is too short, too long or no base64 is refused without being shown."""
    (fault,) = faults(gateway, {"WEBHOOK_SECRET": secret})

    assert fault == "WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 random bytes"


def test_what_names_no_place_is_refused() -> None:
    """An entry of the list that is no host, address or network is named."""
    (fault,) = faults(worker, {"GATEWAY_CALLBACK_ALLOW": "10.0.0.0/8, http://a"})

    assert fault == ("GATEWAY_CALLBACK_ALLOW takes hosts, addresses and networks, got 'http://a'")
