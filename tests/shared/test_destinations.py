"""Addresses that webhooks may call."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from shared.destinations import Destinations, Forbidden, Target

NOT_PUBLIC = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("host", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_forbidden(host: str) -> None:
    """An address that is not public is not called, in any spelling."""
    with pytest.raises(Forbidden):
        Destinations().resolve(host, 80)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(host: str) -> None:
    """A public address needs no permission."""
    assert Destinations().resolve(host, 443) == [ipaddress.ip_address(host)]


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.0/8", "127.1"),
        ("127.0.0.1", "2130706433"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("10.1.2.3/8", "10.9.9.9"),
        ("fd00::/8", "fd12::1"),
        ("localhost.", "localhost"),
        ("Localhost", "LOCALHOST"),
    ],
)
def test_the_operator_may_allow_more(entry: str, host: str) -> None:
    """A private host, address or network in the list may be called."""
    assert Destinations.allowing([entry]).resolve(host, 80)


@pytest.mark.parametrize(
    ("entry", "host"), [("10.0.0.0/8", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "fe80::1")]
)
def test_nothing_else_is_allowed_with_it(entry: str, host: str) -> None:
    """An entry allows itself and nothing else."""
    with pytest.raises(Forbidden):
        Destinations.allowing([entry]).resolve(host, 80)


@pytest.mark.parametrize("entry", ["http://a", "a b", "1.2.3", "300.1.1.1", "10.0.0.0/33", "a/b"])
def test_an_entry_that_names_no_host_is_refused(entry: str) -> None:
    """An entry that is neither a host nor an address nor a network is refused."""
    with pytest.raises(ValueError, match=entry):
        Destinations.allowing([entry])


def test_one_private_address_of_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a public and a private address is not called at all."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(Forbidden, match="not a public address"):
        Destinations().resolve("both.example", 80)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example", Target("https", "a.example", 443, "/")),
        ("http://a.example:81/x?y=1#z", Target("http", "a.example", 81, "/x?y=1")),
        ("https://[::1]:8443/", Target("https", "::1", 8443, "/")),
        ("https://xn--bcher-kva.example./h", Target("https", "xn--bcher-kva.example.", 443, "/h")),
    ],
)
def test_a_url_becomes_a_target(url: str, target: Target) -> None:
    """A target has no fragment and always a port."""
    assert Target.of(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@a.example",
        "https://user:secret@a.example",
        "https://a.example:0x50",
        "https://a.example:99999",
        "https://a b.example",
        "https://a.example/\r\nHost: b",
        "https://bücher.example",
        "https://[::1",
        "https://a..example",
        "https://a.example/" + "x" * 2048,
        "https://" + "a." * 900 + "!",
    ],
)
def test_a_url_that_no_webhook_can_have_is_forbidden(url: str) -> None:
    """Other schemes, users, missing hosts and characters that no request can carry are refused."""
    with pytest.raises(Forbidden):
        Target.of(url)
