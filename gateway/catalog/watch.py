"""Notices that the catalog's file has changed, and puts the new catalog in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.catalog.file import CatalogFault
from gateway.concurrency.watch import Watch
from shared.log import get_logger

if TYPE_CHECKING:
    from gateway.catalog.file import CatalogFile
    from gateway.inputs.served_catalog import CurrentCatalog, ServedCatalog
    from shared.catalog import Catalog


class CatalogWatch(Watch):
    """Looks at the catalog's file every second, and at once when it is told to.

    A good new catalog is for all requests that begin from then on. A bad one is logged, and the
    former one stays.
    """

    def __init__(self, file: CatalogFile, current: CurrentCatalog) -> None:
        super().__init__("catalog")
        self._file = file
        self._current = current

    async def _look(self, *, told: bool) -> None:
        log = get_logger()
        try:
            found = await self._executor.run(self._next, told)
        except CatalogFault as error:
            log.error("catalog not changed", reason=str(error))  # noqa: TRY400 - the reason says all
        except Exception:
            log.exception("catalog not changed")
        else:
            if found is not None:
                self._current.served, changes = found
                log.info("catalog changed" if changes else "catalog unchanged", **changes)

    def _next(self, told: bool) -> tuple[ServedCatalog, dict[str, Any]] | None:  # noqa: FBT001
        served = self._file.read() if told else self._file.read_if_changed()
        if served is None:
            return None
        return served, changes(self._current.served.catalog, served.catalog)


def changes(former: Catalog, new: Catalog) -> dict[str, Any]:
    """Return what is other in a new catalog, as fields of a log line; empty if nothing is.

    `raised`, `lowered` and `changed` are about the newest version of a function; `older` are the
    other versions that it has now.
    """
    found: dict[str, Any] = {
        "added": [name for name in new.functions if name not in former.functions],
        "removed": [name for name in former.functions if name not in new.functions],
        "raised": {},
        "lowered": {},
        "changed": [],
        "older": {},
    }
    for name in new.functions.keys() & former.functions.keys():
        before, after = former.functions[name], new.functions[name]
        if before.version != after.version:
            way = "raised" if before.version < after.version else "lowered"
            found[way][name] = [before.version, after.version]
        # As JSON, since Python takes 1, 1.0 and true for equal.
        elif msgspec.json.encode(before) != msgspec.json.encode(after):
            found["changed"].append(name)
        older = _older(new, name)
        if older != _older(former, name):
            found["older"][name] = older
    if former.limits != new.limits:
        found["limits"] = msgspec.to_builtins(new.limits)
    if former.default != new.default:
        found["default"] = new.default or "none"
    return {name: what for name, what in found.items() if what}


def _older(catalog: Catalog, name: str) -> list[int]:
    """Return the versions of a function that are not begun any more."""
    newest = catalog.functions[name].version
    return sorted(v for other, v in catalog.versions if other == name and v != newest)
