"""The catalog with what is made of it; a new one takes its place while the gateway runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.http.answers.responses import Content
    from gateway.inputs.validation import Validation
    from shared.catalog import Catalog


@dataclass(frozen=True, eq=False)
class ServedCatalog:
    """A catalog, the check of inputs by its schemas, and its OpenAPI document.

    It equals itself only. A request takes it once, at its beginning, so that it never meets two
    catalogs.
    """

    catalog: Catalog
    validation: Validation
    document: Content


@dataclass
class CurrentCatalog:
    """Holds the catalog that requests get which begin now."""

    served: ServedCatalog
