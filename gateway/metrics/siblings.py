"""The metrics of the other processes of one gateway, which share its port.

The kernel gives a scrape to any of the processes. That process asks the others, each at a socket in
a directory that the process above them has made. Nothing is kept in files: what a dead process had
counted is gone with it, as if a gateway of one process had ended, and no gauge of it stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from shared.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

ANSWER_SECONDS: Final = 1.0
"""Seconds for the answer of another process; one that is frozen gives none."""

MOST_BYTES: Final = 16 * 1024 * 1024

type Family = tuple[str, str, str, str, list[tuple[str, dict[str, str], float]]]
"""Name, help, type, unit and samples."""

_DECODER: Final = msgspec.msgpack.Decoder(list[Family])


@contextlib.contextmanager
def sockets_directory() -> Iterator[str]:
    """Yield a new directory for the sockets of processes, which is removed; "" if none can be."""
    try:
        made = tempfile.TemporaryDirectory(prefix="gateway-", ignore_cleanup_errors=True)
    except OSError as error:
        get_logger().warning("metrics not shared between processes", reason=str(error))
        yield ""
        return
    with made as path:
        yield path


class Siblings:
    """All processes of one gateway, of which this is number `number`; the first is 1.

    Without a `directory` they cannot be asked.
    """

    def __init__(self, directory: str, number: int, count: int) -> None:
        self._directory = Path(directory) if directory else None
        self.number = number
        self._others = [each for each in range(1, count + 1) if each != number]
        self._server: asyncio.Server | None = None

    async def start(self, encoded: Callable[[], Awaitable[bytes]]) -> None:
        """Answer the others from now on; without a socket this process is missing there."""
        if self._directory is None:
            return

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                writer.write(await encoded())
                await writer.drain()

        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)  # the last one to end removes it
            self._server = await asyncio.start_unix_server(answer, self._path(self.number))
        except OSError as error:
            get_logger().warning("metrics not shared with other processes", reason=str(error))

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is None or self._directory is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            Path(self._path(self.number)).unlink(missing_ok=True)
            self._directory.rmdir()  # unless others have their sockets there

    async def others(self) -> dict[int, list[Metric] | None]:
        """Return what the other processes count, None for one that does not answer."""
        answers = await asyncio.gather(*map(self._ask, self._others))
        return dict(zip(self._others, answers, strict=True))

    async def _ask(self, number: int) -> list[Metric] | None:
        if self._directory is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path(number))
                with contextlib.closing(writer):
                    return decode(await _read(reader))
        except (ValueError, msgspec.MsgspecError) as error:
            get_logger().warning("metrics of a process not read", number=number, reason=str(error))
        except (OSError, TimeoutError):  # it has ended, or is frozen
            pass
        return None

    def _path(self, number: int) -> str:
        return f"{self._directory}/{number}"


async def _read(reader: asyncio.StreamReader) -> bytes:
    read = bytearray()
    while piece := await reader.read(64 * 1024):
        read += piece
        if len(read) > MOST_BYTES:
            raise ValueError("too much for metrics")
    return bytes(read)


def encode(families: Iterable[Metric]) -> bytes:
    """Return metrics as one process sends them to another."""
    return msgspec.msgpack.encode(
        [
            (
                family.name,
                family.documentation,
                family.type,
                family.unit,
                [(each.name, each.labels, float(each.value)) for each in family.samples],
            )
            for family in families
        ]
    )


def decode(raw: bytes) -> list[Metric]:
    """Return what `encode` was given. Raises `ValueError` and `MsgspecError`."""
    families = []
    for name, help, type, unit, samples in _DECODER.decode(raw):
        family = Metric(name, help, type, unit)
        for sample in samples:
            family.add_sample(*sample)
        families.append(family)
    return families


def merged(processes: Mapping[int, Sequence[Metric] | None]) -> list[Metric]:
    """Return the metrics of several processes, each with its number as the label `process`."""
    families: dict[str, Metric] = {}
    up = GaugeMetricFamily(
        "durable_http_gateway_process_up",
        "Whether a process of the gateway has answered this scrape.",
        labels=["process"],
    )
    for number, found in sorted(processes.items()):
        up.add_metric([str(number)], found is not None)
        for family in found or ():
            whole = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type, family.unit)
            )
            for sample in family.samples:
                whole.add_sample(
                    sample.name, {**sample.labels, "process": str(number)}, sample.value
                )
    return [up, *families.values()]
