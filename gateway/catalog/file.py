"""Reads the catalog's file and makes of it what requests use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.http.answers.responses import Content
from gateway.inputs.served_catalog import ServedCatalog
from gateway.inputs.validation import Validation
from gateway.openapi.document import document
from gateway.watched_file import Unreadable, WatchedFile
from shared.catalog import MAX_BYTES, Catalog, CatalogError

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings


class CatalogFault(Exception):
    """The catalog cannot be served; the message begins with the setting at fault."""


class CatalogFile:
    """The file with the catalog's manifest; one thread at a time may use this."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._file = WatchedFile(settings.catalog.path, MAX_BYTES)

    def read(self) -> ServedCatalog:
        """Return the catalog. Raises `CatalogFault`."""
        try:
            return self._served(self._file.read())
        except Unreadable as error:
            raise self._fault(str(error)) from error

    def read_if_changed(self) -> ServedCatalog | None:
        """Return the catalog, or None if the file is as it was when it was last read.

        Raises `CatalogFault`, for the same content only once.
        """
        try:
            content = self._file.read_if_changed()
        except Unreadable as error:
            raise self._fault(str(error)) from error
        return None if content is None else self._served(content)

    def _served(self, content: bytes) -> ServedCatalog:
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
        return CatalogFault(f"GATEWAY_CATALOG: {self._file.path}: {what}")


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
