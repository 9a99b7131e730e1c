"""Settings of the server that its guard has to know: a flag, a variable or the server's file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

type Address = tuple[str, int]
"""A host and a port at which the guard reaches the server."""

ANY_HOST: Final = ("", "0.0.0.0")  # noqa: S104 - where the server listens
ANY_IPV6: Final = "[::]"
"""Every host for the server, also those without IPv6."""

CONFIG_FLAGS: Final = ("--config", "-c")


class GuardError(Exception):
    """The guard cannot do its work; the message has the way to correct that."""


class ServerSetting(NamedTuple):
    """A setting of the server by its flag and by its place in the server's file."""

    flag: str
    path: tuple[str, ...]
    default: str = ""

    @property
    def variable(self) -> str:
        """The variable from which the server takes it (cmd/serve/serve.go, v0.8.2)."""
        return "_".join(self.path).upper()


class ServerSettings:
    """What a server is told. Raises `GuardError` if its file cannot be read."""

    def __init__(self, environment: Mapping[str, str], flags: Sequence[str]) -> None:
        self._environment = environment
        self._flags = [*_pairs(flags)]
        files = [value for name, value in self._flags if name in CONFIG_FLAGS]
        self._file = Path(files[-1]) if files else None
        self._content = _content(self._file) if self._file else None

    def places(self, setting: ServerSetting) -> Iterator[tuple[str, object]]:
        """Yield the name and the value wherever the setting is made; the first one counts."""
        for name, value in reversed(self._flags):
            if name == setting.flag:
                yield name, value
        if setting.variable in self._environment:
            yield setting.variable, self._environment[setting.variable]
        node = self._content
        for wanted in setting.path:
            # The server's keys ignore case.
            children = node.items() if isinstance(node, dict) else ()
            node = next(
                (each for key, each in children if str(key).lower() == wanted.lower()), None
            )
        if node is not None:
            yield f"{self._file}: {'.'.join(setting.path)}", node

    def address(self, setting: ServerSetting) -> Address:
        """Return where the server is reached that listens at this address. Raises `GuardError`."""
        host, port = self.listener(setting)
        return host if host not in ANY_HOST else "127.0.0.1", port

    def listener(self, setting: ServerSetting) -> Address:
        """Return where the server listens, with no host for all of them. Raises `GuardError`."""
        place, value = next(self.places(setting), (setting.flag, setting.default))
        host, _, port = str(value).rpartition(":")
        if not port.isdecimal() or int(port) == 0:
            raise GuardError(f"{place}={value}: the guard asks the server there, so name its port")
        return host.strip("[]") if host != ANY_IPV6 else "", int(port)


def _pairs(flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    for position, flag in enumerate(flags):
        name, has_value, value = flag.partition("=")
        following = flags[position + 1] if position + 1 < len(flags) else ""
        yield name, value if has_value else following


def _content(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise GuardError(f"{file}: {error}") from error
