"""Settings that gateway and worker share: values, faults, and the secrets among them."""

from __future__ import annotations

import base64
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import TYPE_CHECKING

import pytest

from shared.destinations import Destinations
from shared.environment import EnvironmentReader, SettingsError
from shared.settings import (
    LogSettings,
    ServerSettings,
    WebhookSettings,
    read_log,
    read_server,
    read_webhooks,
)
from tests.support.settings import SHARED_FAULTS, assert_range, faults

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings:
    """All that `shared.settings` reads."""

    server: ServerSettings
    log: LogSettings
    webhooks: WebhookSettings


def shared_settings(environment: Mapping[str, str], *, terminal: bool = False) -> Settings:
    """Read the shared settings, as if standard output were a file."""
    read = EnvironmentReader(environment)
    settings = Settings(read_server(read), read_log(read, terminal=terminal), read_webhooks(read))
    read.finish()
    return settings


def test_an_empty_environment_is_enough() -> None:
    """Without any variable the settings are their defaults, which suit one machine."""
    assert shared_settings({}) == Settings(
        ServerSettings("http://localhost", 8001, 8002, "", ""),
        LogSettings("info", "json"),
        WebhookSettings("", Destinations()),
    )


@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_blank_variable_is_not_set(value: str) -> None:
    """An empty variable, which container files often have, means the default."""
    names = {name for name, *_ in SHARED_FAULTS} | {"WEBHOOK_SECRET", "GATEWAY_CALLBACK_ALLOW"}

    assert shared_settings(dict.fromkeys(names, value)) == shared_settings({})


@pytest.mark.parametrize(
    ("terminal", "chosen", "format"),
    [(True, "", "console"), (False, "", "json"), (True, "json", "json")],
)
def test_a_terminal_gets_columns(terminal: bool, chosen: str, format: str) -> None:  # noqa: FBT001
    """Unless LOG_FORMAT is set, logs are columns on a terminal and JSON elsewhere."""
    assert shared_settings({"LOG_FORMAT": chosen}, terminal=terminal).log.format == format


@pytest.mark.parametrize(("name", "value", "fault"), SHARED_FAULTS)
def test_a_fault_shows_what_is_allowed(name: str, value: str, fault: str) -> None:
    """A fault has the variable, the allowed values and the value it got."""
    assert faults(shared_settings, {name: value}) == [f"{name} {fault}"]


def test_a_port_has_a_range() -> None:
    """The smallest and the greatest port are allowed, and nothing beyond them."""
    assert_range(shared_settings, "RESONATE_PORT_STORE", "1..65535", "0..65536")


def test_a_password_in_the_host_is_not_shown() -> None:
    """A host that contains a user is refused without being repeated in the fault."""
    (fault,) = faults(shared_settings, {"RESONATE_HOST": "http://user:secret@server"})

    assert fault == (
        "RESONATE_HOST must not contain a user: set RESONATE_USERNAME and RESONATE_PASSWORD"
    )


@pytest.mark.parametrize("host", ["http://server:8001", "http://[::1]:8001", "http://server:"])
def test_a_port_in_the_host_is_a_fault_of_its_own(host: str) -> None:
    """The fault for a host with a port names the two variables for ports."""
    (fault,) = faults(shared_settings, {"RESONATE_HOST": host})

    assert fault == (
        "RESONATE_HOST must not contain a port: "
        f"set RESONATE_PORT_STORE and RESONATE_PORT_MESSAGE_SOURCE, got {host!r}"
    )


def test_the_error_reads_as_one_line() -> None:
    """The text of the error is its faults, separated by semicolons."""
    error = SettingsError(["A is wrong", "B is missing"])

    assert (str(error), error.faults) == (
        "A is wrong; B is missing",
        ["A is wrong", "B is missing"],
    )


def test_settings_cannot_be_changed() -> None:
    """Settings are immutable, and a changed copy can be made."""
    settings = shared_settings({})
    with pytest.raises(FrozenInstanceError):
        settings.server.host = "http://elsewhere"  # type: ignore[misc]

    assert replace(settings.server, store_port=1).store_port == 1


@pytest.mark.parametrize(
    "secret",
    ["whsec_", "whsec_AAAA", "whsec_" + "A" * 92, "whsec_!!!", "A" * 44, "whsec_" + "é" * 44],
)
def test_a_secret_that_cannot_sign_is_refused(secret: str) -> None:
    """A secret that is too short, too long or not base64 is refused without being shown."""
    (fault,) = faults(shared_settings, {"WEBHOOK_SECRET": secret})

    assert fault == "WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 random bytes"


def test_a_secret_is_not_shown() -> None:
    """The secret can be read from the settings and is not in their text."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    settings = shared_settings({"WEBHOOK_SECRET": secret})

    assert settings.webhooks.secret == secret
    assert secret not in repr(settings)


def test_an_entry_that_names_no_host_is_refused() -> None:
    """An entry of the list that is no host, address or network is named in the fault."""
    (fault,) = faults(shared_settings, {"GATEWAY_CALLBACK_ALLOW": "10.0.0.0/8, http://a"})

    assert fault == (
        "GATEWAY_CALLBACK_ALLOW must be a list of hosts, addresses and networks, got 'http://a'"
    )
