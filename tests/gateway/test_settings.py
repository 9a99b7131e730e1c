"""The gateway's settings: defaults, variables and faults."""

from __future__ import annotations

import base64
from dataclasses import FrozenInstanceError, astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from gateway.environment import gateway_settings
from gateway.settings import CatalogSettings, Deadlines, GatewaySettings, PresenceSettings
from shared.destinations import Destinations
from shared.settings import LogSettings, ServerSettings
from tests.support.settings import GROUP_FAULTS, SHARED_FAULTS, assert_range, faults

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_VARIABLE = {
    "RESONATE_HOST": "https://server.example/",
    "RESONATE_PORT_STORE": "1",
    "RESONATE_PORT_MESSAGE_SOURCE": "65535",
    "RESONATE_USERNAME": "somebody",
    "RESONATE_PASSWORD": "s3cret",
    "LOG_LEVEL": "DEBUG",
    "LOG_FORMAT": "Console",
    "GATEWAY_CATALOG": "/etc/catalog.json",
    "GATEWAY_DEFAULT_FUNCTION": "order",
    "GATEWAY_HOST": "0.0.0.0",
    "GATEWAY_PORT": "0",
    "GATEWAY_PROCESSES": "3",
    "GATEWAY_MAX_BODY": "1",
    "MAX_RESULT_BYTES": "1024",
    "GATEWAY_BODY_BUDGET": "1048576",
    "GATEWAY_ANSWER_BUDGET": "2097152",
    "WORKER_GROUP": "blue.1",
    "GATEWAY_ALLOWED_HOSTS": "Jobs.example., [FD00::1],gateway",
    "GATEWAY_CORS_ORIGINS": "https://App.example:443, http://[::1]:3000",
    "PRESENCE_SECRET": "a-secret-of-workers",
    "GATEWAY_PRESENCE_HOST": "::1",
    "GATEWAY_PRESENCE_PORT": "6000",
    "METRICS": "Off",
}

EVERY_FAULT = {
    "RESONATE_USERNAME": "somebody",
    "RESONATE_HOST": "ftp://server",
    "RESONATE_PORT_STORE": "0",
    "RESONATE_PORT_MESSAGE_SOURCE": "65536",
    "LOG_LEVEL": "loud",
    "LOG_FORMAT": "xml",
    "GATEWAY_PORT": "-1",
    "GATEWAY_MAX_BODY": "many",
    "GATEWAY_PRESENCE_PORT": "workers",
    "PRESENCE_SECRET_FILE": "/no/such/file",
    "WORKER_GROUP": "a/b",
    "METRICS": "1",
}


def gateway(environment: Mapping[str, str]) -> GatewaySettings:
    """Read a gateway's settings, as if standard output were a file."""
    return gateway_settings(environment, terminal=False)


def test_an_empty_environment_is_enough() -> None:
    """Without any variable a gateway has its defaults, which suit one machine."""
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
        presence=PresenceSettings("", "127.0.0.1", 5002),
    )
    assert gateway({}) == GatewaySettings()


def test_every_variable_is_read() -> None:
    """Each variable of a gateway ends up in its setting, with its type."""
    assert gateway(EVERY_VARIABLE) == GatewaySettings(
        server=ServerSettings("https://server.example", 1, 65535, "somebody", "s3cret"),
        log=LogSettings("debug", "console"),
        catalog=CatalogSettings(Path("/etc/catalog.json"), "order"),
        host="0.0.0.0",
        port=0,
        processes=3,
        max_body=1,
        max_result_bytes=1024,
        body_budget=1048576,
        answer_budget=2097152,
        worker_group="blue.1",
        allowed_hosts=("jobs.example", "fd00::1", "gateway"),
        cors_origins=("https://app.example", "http://[::1]:3000"),
        presence=PresenceSettings("a-secret-of-workers", "::1", 6000, (6000, 6001, 6002)),
        metrics=False,
    )


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_blank_variable_is_not_set(value: str) -> None:
    """An empty variable, which container files often have, means the default."""
    assert gateway(
        dict.fromkeys(
            {
                *EVERY_FAULT,
                "GATEWAY_HOST",
                "GATEWAY_CATALOG",
                "GATEWAY_DEFAULT_FUNCTION",
                "GATEWAY_PRESENCE_HOST",
                "PRESENCE_SECRET",
                "PRESENCE_SECRET_FILE",
            },
            value,
        )
    ) == gateway({})


def test_space_around_a_value_is_removed() -> None:
    """A line end after a value, as from a file, does no harm."""
    settings = gateway({"GATEWAY_PORT": " 80\n", "WORKER_GROUP": "blue\n"})

    assert (settings.port, settings.worker_group) == (80, "blue")


@pytest.mark.parametrize(
    ("terminal", "chosen", "format"),
    [(True, "", "console"), (False, "", "json"), (True, "json", "json")],
)
def test_a_terminal_gets_columns(terminal: bool, chosen: str, format: str) -> None:  # noqa: FBT001
    """Unless LOG_FORMAT is set, logs are columns on a terminal and JSON elsewhere."""
    settings = gateway_settings({"LOG_FORMAT": chosen}, terminal=terminal)

    assert settings.log.format == format


def test_all_faults_are_reported_at_once() -> None:
    """One start shows every variable at fault, each in a line of its own."""
    found = faults(gateway, EVERY_FAULT)

    assert sorted(fault.split()[0] for fault in found) == sorted(EVERY_FAULT)


@pytest.mark.parametrize("name", EVERY_FAULT)
def test_a_fault_is_named_after_its_variable(name: str) -> None:
    """A variable that is at fault alone is the only one that is reported."""
    (fault,) = faults(gateway, {name: EVERY_FAULT[name]})

    assert name in fault


@pytest.mark.parametrize(("name", "value", "fault"), [*SHARED_FAULTS, *GROUP_FAULTS])
def test_a_fault_shows_what_is_allowed(name: str, value: str, fault: str) -> None:
    """A fault has the variable, the allowed values and the value it got."""
    assert faults(gateway, {name: value}) == [f"{name} {fault}"]


HOSTS: Final = "must be names without ports, or *, got"
ORIGINS: Final = "must be origins like https://app.example, got"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("GATEWAY_ALLOWED_HOSTS", "a, b:80", f"{HOSTS} 'b:80'"),
        ("GATEWAY_ALLOWED_HOSTS", "http://a", f"{HOSTS} 'http://a'"),
        ("GATEWAY_ALLOWED_HOSTS", "*.example", f"{HOSTS} '*.example'"),
        ("GATEWAY_CORS_ORIGINS", "app.example", f"{ORIGINS} 'app.example'"),
        ("GATEWAY_CORS_ORIGINS", "https://app.example/", f"{ORIGINS} 'https://app.example/'"),
        ("GATEWAY_CORS_ORIGINS", "null", f"{ORIGINS} 'null'"),
        ("GATEWAY_CORS_ORIGINS", "https://a@b", f"{ORIGINS} 'https://a@b'"),
        (
            "GATEWAY_CORS_ORIGINS",
            "*",
            "must not be * without GATEWAY_TOKENS: any web page could call",
        ),
    ],
)
def test_hosts_and_origins_are_exact(name: str, value: str, fault: str) -> None:
    """What is no host or no origin stops the start, and so does `*` without tokens."""
    assert faults(gateway, {name: value}) == [f"{name} {fault}"]


def test_any_origin_may_be_allowed_with_tokens() -> None:
    """With tokens `*` stands for every origin."""
    settings = gateway({"GATEWAY_TOKENS": "0123456789abcdef", "GATEWAY_CORS_ORIGINS": "*"})

    assert settings.cors_origins == ("*",)


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("GATEWAY_PORT", "0..65535", "-1..65536"),
        ("GATEWAY_PRESENCE_PORT", "0..65535", "-1..65536"),
        ("GATEWAY_MAX_BODY", "1..67108864", "0..67108865"),
        ("GATEWAY_BODY_BUDGET", "1048576..17179869184", "1048575..17179869185"),
        ("GATEWAY_ANSWER_BUDGET", "1048576..17179869184", "1048575..17179869185"),
        ("MAX_RESULT_BYTES", "1024..16777216", "1023..16777217"),
        ("GATEWAY_MAX_CONNECTIONS", "1..1000000", "0..1000001"),
        ("GATEWAY_PROCESSES", "1..64", "0..65"),
    ],
)
def test_limits_are_inclusive(name: str, allowed: str, refused: str) -> None:
    """The smallest and the greatest value are allowed, and nothing beyond them."""
    assert_range(gateway, name, allowed, refused)


@pytest.mark.parametrize(
    "changed", [{"store_attempt": 5.0}, {"store_budget": 4.0}, {"offload": 10.0}]
)
def test_deadlines_are_in_order(changed: dict[str, float]) -> None:
    """A deadline that is not shorter than the next one is refused."""
    with pytest.raises(ValueError, match="shorter than the next"):
        Deadlines(**changed)


def test_each_deadline_is_shorter_than_the_next() -> None:
    """An inner deadline ends before the one around it, so that its error is reported."""
    deadlines = astuple(gateway({}).deadlines)

    assert list(deadlines) == sorted(set(deadlines))


PRESENCE: Final = {"PRESENCE_SECRET": "a-secret-of-workers"}


def test_each_process_has_a_port_for_workers() -> None:
    """The processes take ports in a row, and each knows all of them."""
    first = gateway({**PRESENCE, "GATEWAY_PROCESSES": "3", "GATEWAY_PRESENCE_PORT": "7000"})

    ports = (7000, 7001, 7002)
    assert first.presence.ports == ports
    parts = [first.presence.of_process(number) for number in (1, 2, 3)]
    assert [(part.port, part.ports) for part in parts] == [(port, ports) for port in ports]


@pytest.mark.parametrize("port", ["0", "7000"])
def test_a_single_process_has_one_port_for_workers(port: str) -> None:
    """It has no others to tell of."""
    presence = gateway({**PRESENCE, "GATEWAY_PRESENCE_PORT": port}).presence

    assert (presence.port, presence.ports) == (int(port), ())


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        (
            {"GATEWAY_PRESENCE_PORT": "65534"},
            "GATEWAY_PRESENCE_PORT must leave each of 3 processes a port, got 65534",
        ),
        (
            {**PRESENCE, "GATEWAY_PORT": "5004"},
            "GATEWAY_PORT must not be one of the 3 ports from GATEWAY_PRESENCE_PORT on, got 5004",
        ),
    ],
)
def test_every_process_must_find_its_port(environment: dict[str, str], fault: str) -> None:
    """Ports that no process could listen at stop the start."""
    assert faults(gateway, {"GATEWAY_PROCESSES": "3", **environment}) == [fault]


def test_without_workers_connections_their_port_is_free() -> None:
    """A gateway without the secret may serve clients at the port that workers would have."""
    assert gateway({"GATEWAY_PORT": "5002"}).port == 5002


def test_secrets_are_never_shown() -> None:
    """Settings can be logged as they are: their text has no secret."""
    assert "a-secret-of-workers" not in f"{gateway(PRESENCE)!r}"


def test_the_password_is_never_shown() -> None:
    """Settings can be logged as they are: their text has no password."""
    settings = gateway({"RESONATE_USERNAME": "somebody", "RESONATE_PASSWORD": "s3cret"})

    assert settings.server.password == "s3cret"
    assert "s3cret" not in f"{settings!r} {settings}"
    assert "somebody" in repr(settings)


def test_a_fault_does_not_show_the_password() -> None:
    """The fault for a password without its user does not repeat the password."""
    assert faults(gateway, {"RESONATE_PASSWORD": "s3cret"}) == [
        "RESONATE_USERNAME and RESONATE_PASSWORD go together: set both or none"
    ]


def test_settings_cannot_be_changed() -> None:
    """Settings are immutable, and a changed copy can be made."""
    with pytest.raises(FrozenInstanceError):
        gateway({}).server.host = "http://elsewhere"  # type: ignore[misc]

    assert replace(gateway({}), port=1).port == 1


def test_webhooks_have_a_secret_and_destinations() -> None:
    """The gateway reads the secret and the allowed destinations, and the secret is not shown."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    allowed = "127.0.0.1, 10.0.0.0/8,hooks.internal"
    settings = gateway({"WEBHOOK_SECRET": secret, "GATEWAY_CALLBACK_ALLOW": allowed})

    assert settings.webhooks.secret == secret
    assert settings.webhooks.destinations == Destinations.allowing(
        ["127.0.0.1", "10.0.0.0/8", "hooks.internal"]
    )
    assert secret not in repr(settings)


def test_where_workers_connect() -> None:
    """At an address of its own, with the secret."""
    environment = {
        "GATEWAY_PRESENCE_HOST": "::",
        "GATEWAY_PRESENCE_PORT": "0",
        "PRESENCE_SECRET": "presence-of-a-test",
    }

    assert gateway(environment).presence == PresenceSettings("presence-of-a-test", "::", 0)


def test_the_secret_of_workers_is_never_shown() -> None:
    """Neither in settings nor in a fault."""
    settings = gateway({"PRESENCE_SECRET": "presence-of-a-test"})
    assert settings.presence.secret == "presence-of-a-test"
    assert "presence-of-a-test" not in f"{settings!r} {settings.presence}"

    (fault,) = faults(gateway, {"PRESENCE_SECRET": "presence of a test"})

    assert fault.startswith("PRESENCE_SECRET: the secret must match")
    assert "presence of a test" not in fault
