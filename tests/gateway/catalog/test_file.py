"""The catalog's file: what is read of it, when it counts as changed, and what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.catalog.file import CatalogFault, CatalogFile
from gateway.settings import CatalogSettings, GatewaySettings
from shared.catalog import Catalog, Function
from tests.support.catalog import SHIPPED, manifest, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_AGO: Final = 1_700_000_000 * 10**9
"""A time of the past, in nanoseconds, at which nobody can write any more."""


def catalog(name: str, **also: Any) -> Catalog:
    """Return a catalog of one function; `also` are other members of the function."""
    return Catalog.of(Function(name, 1, "Does something.", **also))


def catalog_file(path: Path, default: str | None = None) -> CatalogFile:
    """Return a file as a gateway reads it."""
    return CatalogFile(GatewaySettings(catalog=CatalogSettings(path, default)))


def fault(read: Callable[[], object]) -> str:
    """Return why the catalog cannot be read."""
    with pytest.raises(CatalogFault) as caught:
        read()
    return str(caught.value)


def names(file: CatalogFile) -> list[str] | None:
    """Return the names of a changed file's functions, None if it is unchanged."""
    found = file.read_if_changed()
    return None if found is None else list(found.catalog.functions)


def write_old(path: Path, content: Catalog) -> None:
    """Put a catalog in the place of a file, as if it had been written long ago."""
    write_manifest(path, content)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """Return the path of a file with the catalog of `one`, written long ago."""
    path = tmp_path / "catalog.json"
    write_old(path, catalog("one"))
    return path


@pytest.fixture(name="file")
def _file(path: Path) -> CatalogFile:
    """Return the file after it was read."""
    file = catalog_file(path)
    file.read()
    return file


def test_the_shipped_functions_are_served_without_a_setting() -> None:
    """A gateway whose settings name no file serves the functions that come with the service."""
    assert CatalogFile(GatewaySettings()).read().catalog == SHIPPED


def test_an_unchanged_file_is_not_read_again(path: Path, file: CatalogFile) -> None:
    """A file of the same time, size and inode counts as unchanged; told to, it is read anyway."""
    path.write_bytes(manifest(catalog("two")))
    os.utime(path, ns=(LONG_AGO, LONG_AGO))

    assert names(file) is None
    assert list(file.read().catalog.functions) == ["two"]
    assert names(file) is None


@pytest.mark.parametrize("way", ["in place", "by a rename", "by a switch of links"])
def test_a_new_content_is_noticed_once(tmp_path: Path, path: Path, way: str) -> None:
    """However the file is replaced, the next look has the new catalog, and later ones nothing."""
    if way == "by a switch of links":  # as Kubernetes updates its ConfigMaps
        (tmp_path / "v1").mkdir()
        path.rename(tmp_path / "v1" / "catalog.json")
        (tmp_path / "data").symlink_to("v1")
        path.symlink_to("data/catalog.json")
    file = catalog_file(path)
    file.read()
    changed = catalog("two")

    if way == "in place":
        path.write_bytes(manifest(changed))
    elif way == "by a rename":
        write_old(path, changed)
    else:
        (tmp_path / "v2").mkdir()
        write_old(tmp_path / "v2" / "catalog.json", changed)
        (tmp_path / "new").symlink_to("v2")
        (tmp_path / "new").replace(tmp_path / "data")

    assert names(file) == ["two"]
    assert names(file) is None


def test_a_second_write_at_the_same_time_is_noticed(path: Path, file: CatalogFile) -> None:
    """Two writes within one tick of the clock give a file the same time; both are noticed."""
    path.write_bytes(manifest(catalog("two")))
    times = path.stat()
    assert names(file) == ["two"]

    path.write_bytes(manifest(catalog("six")))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert names(file) == ["six"]


def test_a_touched_file_is_the_same(path: Path, file: CatalogFile) -> None:
    """Another time alone, or a copy of the same content, is no new catalog."""
    path.touch()
    assert names(file) is None

    write_manifest(path, catalog("one"))
    assert names(file) is None


def test_a_bad_content_is_reported_once(path: Path, file: CatalogFile) -> None:
    """Half a file is a fault at the first look; the next fault is another content's."""
    whole = manifest(catalog("two"))
    path.write_bytes(whole[:30])
    assert fault(file.read_if_changed) == f"GATEWAY_CATALOG: {path}: Input data was truncated"
    path.touch()
    assert names(file) is None

    path.write_bytes(whole[:40])
    assert "truncated" in fault(file.read_if_changed)
    path.write_bytes(whole)
    assert names(file) == ["two"]


def test_a_vanished_file_is_reported_once(path: Path, file: CatalogFile) -> None:
    """A file that is gone is a fault once; back again, it is read."""
    path.unlink()
    assert fault(file.read_if_changed) == f"GATEWAY_CATALOG: {path}: No such file or directory"
    assert names(file) is None

    write_manifest(path, catalog("one"))
    assert names(file) == ["one"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder and a pipe, which would have no end, are faults at once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert fault(catalog_file(tmp_path).read).endswith(": it is not a regular file")
    assert fault(catalog_file(pipe).read).endswith(": it is not a regular file")
    assert fault(catalog_file(Path("/dev/zero")).read).endswith(": it is not a regular file")
    assert fault(catalog_file(tmp_path / ("x" * 300)).read).endswith(": File name too long")


def test_a_file_of_100_mb_is_refused(tmp_path: Path) -> None:
    """Of a file that is too large no more is read than shows it."""
    path = tmp_path / "large"
    with path.open("wb") as large:
        large.truncate(100_000_000)

    assert fault(catalog_file(path).read).endswith(": it has more than 16777216 bytes")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "nope"}, '/type: "nope" is not valid under any of the schemas'),
        ({"properties": {"a": {"minimum": "x"}}}, '/properties/a/minimum: "x" is not of type'),
        ({"pattern": "("}, '/pattern: "(" is not a "regex"'),
        ({"$ref": "#/$defs/none"}, ": Pointer '/$defs/none' does not exist"),
        ({"$ref": "http://127.0.0.1:1/x"}, ": Resource 'http://127.0.0.1:1/x' is not present"),
    ],
)
def test_a_schema_that_is_none_is_refused(path: Path, schema: dict[str, Any], said: str) -> None:
    """The fault names function, version and place."""
    write_manifest(path, Catalog.of(Function("one", 2, "One.", input_schema=schema)))

    expected = f"GATEWAY_CATALOG: {path}: one version 2: input_schema{said}"
    assert fault(catalog_file(path).read).startswith(expected)


def test_a_schema_leads_to_no_other_file(tmp_path: Path, path: Path) -> None:
    """A reference to a file is a fault, though the file is there and has a schema."""
    other = tmp_path / "schema.json"
    other.write_text('{"type":"string"}')
    write_manifest(path, catalog("one", input_schema={"$ref": other.as_uri()}))

    assert f"Resource '{other.as_uri()}' is not present" in fault(catalog_file(path).read)


@pytest.mark.parametrize("depth", [300, 2_000])
def test_a_schema_that_is_nested_too_deep_is_refused(path: Path, depth: int) -> None:
    """However deep a schema is nested, it is refused and no more."""
    raw = manifest(catalog("one", input_schema={"here": 0}))
    path.write_bytes(raw.replace(b'{"here":0}', b'{"not":' * depth + b"{}" + b"}" * depth))

    assert fault(catalog_file(path).read).startswith(f"GATEWAY_CATALOG: {path}: ")


def test_a_schema_of_an_old_version_is_checked_too(path: Path) -> None:
    """A manifest is good or bad as a whole."""
    old = Function("one", 1, "Old.", input_schema={"type": 1})
    write_manifest(path, Catalog.of(old, Function("one", 2, "New.")))

    assert "one version 1: input_schema/type" in fault(catalog_file(path).read)


def test_the_setting_of_a_default_is_above_the_catalogs(path: Path) -> None:
    """What is begun without a name is the setting's function, which the catalog must have."""
    hidden = Function("hidden", 1, "Hidden.", private=True)
    both = [Function("one", 1, "One."), Function("two", 1, "Two."), hidden]
    write_manifest(path, Catalog.of(*both, default="one"))

    assert catalog_file(path).read().catalog.default == "one"
    assert catalog_file(path, "two").read().catalog.default == "two"
    assert fault(catalog_file(path, "six").read) == (
        "GATEWAY_DEFAULT_FUNCTION: the default function six is not in the catalog"
    )
    assert fault(catalog_file(path, "hidden").read) == (
        "GATEWAY_DEFAULT_FUNCTION: the default function hidden is private"
    )
