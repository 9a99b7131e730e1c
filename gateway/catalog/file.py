"""Reads the catalog's file and makes of it what requests use."""

from __future__ import annotations

import hashlib
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.http.answers.responses import Content
from gateway.inputs.served_catalog import ServedCatalog
from gateway.inputs.validation import Validation
from gateway.openapi.document import document
from shared.catalog import MAX_BYTES, Catalog, CatalogError

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings

SETTLED_NANOSECONDS: Final = 2 * 10**9
"""Age from which a file's time tells its content: two writes within one tick have the same time."""


@dataclass(frozen=True)
class Stamp:
    """What tells one state of a file from another without reading it; `modified` is in ns."""

    modified: int
    size: int
    inode: int
    device: int

    def is_settled(self) -> bool:
        """Return whether any later write gives the file another stamp."""
        return abs(time.time_ns() - self.modified) > SETTLED_NANOSECONDS


class CatalogFault(Exception):
    """The catalog cannot be served; the message begins with the setting at fault."""


class CatalogFile:
    """The file with the catalog's manifest; one thread at a time may use this."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._path = settings.catalog.path
        self._stamp: Stamp | None = None
        self._seen = ""

    def read(self) -> ServedCatalog:
        """Return the catalog. Raises `CatalogFault`."""
        return self._served(self._look())

    def read_if_changed(self) -> ServedCatalog | None:
        """Return the catalog, or None if the file is as it was when it was last read.

        Raises `CatalogFault`, for the same content only once.
        """
        if self._stamp is not None and self._stamp == self._current_stamp():
            return None
        seen = self._seen
        content = self._look()
        return None if self._seen == seen else self._served(content)

    def _look(self) -> bytes | str:
        """Return the file's content, or why there is none; remember which it was."""
        stamp = self._current_stamp()  # before the content, so that a write meanwhile is noticed
        content = self._content()
        self._stamp = stamp if stamp is not None and stamp.is_settled() else None
        self._seen = content if isinstance(content, str) else hashlib.sha256(content).hexdigest()
        return content

    def _current_stamp(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return Stamp(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    def _content(self) -> bytes | str:
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):  # to open a pipe would wait for ever
                return "it is not a regular file"
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            return error.strerror or str(error)

    def _served(self, content: bytes | str) -> ServedCatalog:
        if isinstance(content, str):
            raise self._fault(content)
        try:
            catalog = self._with_default(Catalog.parse(content))
            return serve(catalog, self._settings)
        except CatalogError as error:
            raise self._fault(str(error)) from error
        except RecursionError as error:
            raise self._fault("it is nested too deep") from error

    def _with_default(self, catalog: Catalog) -> Catalog:
        default = self._settings.catalog.default
        try:
            return catalog if default is None else replace(catalog, default=default)
        except CatalogError as error:
            raise CatalogFault(f"GATEWAY_DEFAULT_FUNCTION: {error}") from error

    def _fault(self, what: str) -> CatalogFault:
        return CatalogFault(f"GATEWAY_CATALOG: {self._path}: {what}")


def serve(catalog: Catalog, settings: GatewaySettings) -> ServedCatalog:
    """Make of a catalog what requests use. Raises `CatalogError` for an invalid schema."""
    validation = Validation(catalog)
    made = document(
        catalog,
        validation,
        secured=bool(settings.tokens),
        webhooks=bool(settings.webhooks.secret),
    )
    return ServedCatalog(catalog, validation, Content.of_json(made))
