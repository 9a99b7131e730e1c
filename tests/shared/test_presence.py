"""What workers and gateways say to each other, line by line, and the secret that they share."""

from __future__ import annotations

import random
import socket
import time
from typing import TYPE_CHECKING

import pytest

from shared.environment import EnvironmentReader
from shared.presence import (
    LINE_BYTES,
    Alive,
    Bye,
    Claimed,
    Ended,
    Hello,
    Lines,
    Offers,
    Refusal,
    Restated,
    Running,
    Welcome,
    from_gateway,
    from_worker,
    line_of,
    notice_vanished_peer,
    read_presence_secret,
)

if TYPE_CHECKING:
    from pathlib import Path

    from shared.presence import FromGateway, FromWorker

SAID_BY_WORKERS: dict[bytes, FromWorker] = {
    b'["hello","s","w-1","p","worker",16,5,{"foo":[1,2]}]': Hello(
        "s", "w-1", "p", "worker", 16, 5, {"foo": [1, 2]}
    ),
    b'["restated",false]': Restated(),
    b'["restated",true]': Restated(complete=True),
    b'["claimed","t",3,"job"]': Claimed("t", 3, "job"),
    b'["running","t",3,2,"w-0","charge",true,false,"checkout"]': Running(
        "t", 3, 2, "w-0", "charge", is_retried=True, reports=False, function="checkout"
    ),
    b'["running","t",3,1,null,null,false,true,""]': Running(
        "t", 3, 1, None, None, is_retried=False, reports=True
    ),
    b'["alive"]': Alive(),
    b'["ended","t",3]': Ended("t", 3),
    b'["offers",[["t",3]],[["u",4]]]': Offers([("t", 3)], [("u", 4)]),
    b'["bye"]': Bye(),
}

SAID_BY_GATEWAYS: dict[bytes, FromGateway] = {
    b'["welcome","g-1",[5002,5003]]': Welcome("g-1", [5002, 5003]),
    b'["refusal","another secret"]': Refusal("another secret"),
}


@pytest.mark.parametrize("line", SAID_BY_WORKERS, ids=bytes.decode)
def test_what_a_worker_says(line: bytes) -> None:
    """Workers and gateways of two releases meet: the lines stay as they are."""
    assert line_of(SAID_BY_WORKERS[line]) == line + b"\n"
    assert from_worker.decode(line) == SAID_BY_WORKERS[line]


@pytest.mark.parametrize("line", SAID_BY_GATEWAYS, ids=bytes.decode)
def test_what_a_gateway_says(line: bytes) -> None:
    """So do the answers."""
    assert line_of(SAID_BY_GATEWAYS[line]) == line + b"\n"
    assert from_gateway.decode(line) == SAID_BY_GATEWAYS[line]


def test_a_later_release_may_say_more() -> None:
    """A part that is not known is passed over."""
    assert from_worker.decode(b'["ended","t",3,{"why":"done"}]') == Ended("t", 3)


def test_an_earlier_release_says_less() -> None:
    """A worker may not name its function yet."""
    line = b'["running","t",3,2,"w-0","charge",true,false]'

    assert from_worker.decode(line) == Running(
        "t", 3, 2, "w-0", "charge", is_retried=True, reports=False
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b'["welcome","g",[]]',
        b'["claimed","t","3","job"]',
        b'["claimed","t",-1,"job"]',
        b'["claimed","t",9007199254740993,"job"]',
        b'["claimed","t",1.5,"job"]',
        b'["claimed",null,1,"job"]',
        b'["offers",[["t"]],[]]',
        b'["offers",[["t",1,1]],[]]',
        b'["claimed","' + b"t" * 1025 + b'",1,"job"]',
    ],
)
def test_what_no_worker_says(line: bytes) -> None:
    """Anything else is refused as a whole."""
    with pytest.raises(ValueError, match=r".+"):
        from_worker.decode(line)


def test_lines_may_come_in_any_pieces() -> None:
    """However the data is cut, the lines are the same."""
    lines = [b"first", b"", b"a longer one" * 50, b"\xff\x00", b"last"]
    data = b"\n".join(lines) + b"\nrest"
    cuts = random.Random(7)
    for _ in range(200):
        cutter, start = Lines(), 0
        found: list[bytes] = []
        while start < len(data):
            end = start + cuts.randint(1, 200)
            found += cutter.add(data[start:end])
            start = end
        assert found == lines


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["without end", "with its end"])
def test_a_line_has_a_longest_length(end: bytes) -> None:
    """One that is as long as it may be is taken, one byte more is not."""
    assert list(Lines().add(b"x" * LINE_BYTES + b"\n")) == [b"x" * LINE_BYTES]

    lines = Lines()
    assert list(lines.add(b"x" * LINE_BYTES)) == []
    with pytest.raises(ValueError, match="too long"):
        list(lines.add(b"x" + end))


def test_a_line_that_comes_byte_by_byte_costs_no_more() -> None:
    """The time for a byte does not depend on how much of its line has come before."""

    def seconds(lines: Lines) -> float:
        began = time.thread_time()
        for _ in range(20_000):
            list(lines.add(b"x"))
        return time.thread_time() - began

    begun = Lines()
    list(begun.add(b"x" * (LINE_BYTES - 20_000)))

    assert seconds(begun) < 4 * seconds(Lines())


def test_a_host_that_vanishes_is_noticed() -> None:
    """The kernel asks an idle peer each second, and gives up after the time that is named."""
    with socket.socket() as connection:
        notice_vanished_peer(connection, 2.5)

        def option(level: int, name: int) -> int:
            return connection.getsockopt(level, name)

        assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert option(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 1
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1
            assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2000


# The secret.


def secret_of(**environment: str) -> tuple[str, list[str]]:
    """Return the secret, and what is wrong with it."""
    read = EnvironmentReader(environment)
    return read_presence_secret(read), read.faults


def test_there_need_be_no_secret() -> None:
    """Without one there are no connections."""
    assert secret_of() == ("", [])
    assert secret_of(PRESENCE_SECRET="", PRESENCE_SECRET_FILE="") == ("", [])


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """The white space around it, such as the end of its line, is none of it."""
    file = tmp_path / "secret"
    file.write_text("  secret-of-the-file\n")

    assert secret_of(PRESENCE_SECRET_FILE=str(file)) == ("secret-of-the-file", [])
    assert secret_of(PRESENCE_SECRET="secret-of-the-setting") == ("secret-of-the-setting", [])
    both = secret_of(PRESENCE_SECRET="secret-of-the-setting", PRESENCE_SECRET_FILE=str(file))
    assert both == ("secret-of-the-setting", [])


@pytest.mark.parametrize(
    "secret",
    [
        "fifteen-letters",
        "two words with a blank",
        "ends-with-nothing\x00",
        "s" * 513,
        "schlüssel-schlüssel",
    ],
)
def test_a_bad_secret_is_a_fault_that_does_not_show_it(tmp_path: Path, secret: str) -> None:
    """In the setting and in the file alike."""
    file = tmp_path / "secret"
    file.write_text(secret, "utf-8")
    for environment in ({"PRESENCE_SECRET": secret}, {"PRESENCE_SECRET_FILE": str(file)}):
        found, faults = secret_of(**environment)

        assert found == ""
        assert len(faults) == 1
        assert faults[0].startswith(f"{next(iter(environment))}:")
        assert secret not in faults[0]


def test_a_file_that_cannot_be_used_is_a_fault(tmp_path: Path) -> None:
    """A process whose secret is missing does not start without connections, unseen."""
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.write_text("\n")
    for path in (missing, empty, tmp_path):
        found, faults = secret_of(PRESENCE_SECRET_FILE=str(path))

        assert found == ""
        assert len(faults) == 1, path
        assert str(path) in faults[0]
