"""One publication of the vendor: its OpenAPI files and its list of webhook events, from a folder or from a URL.

The vendor's repository can be named by the URL of its archive, such as
`https://codeload.github.com/GoHighLevel/highlevel-api-docs/tar.gz/refs/heads/main`. Only JSON and Markdown files are
taken out of an archive, into a folder of their own, up to a size.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from integrations.core.errors import BadRequest
from integrations.gateway import media
from integrations.highlevel.catalogue import event_types
from integrations.highlevel.catalogue.build import files_of
from integrations.highlevel.oauth.dialects import DialectName

LARGEST = 256 * 1024 * 1024  # bytes of an archive, and of what is in it
_KINDS = (".json", ".md")
DIALECTS: tuple[DialectName, ...] = ("v2", "v3")
Fetch = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Publication:
    """`operations` has the OpenAPI files by dialect, without a dialect that the publication lacks.

    `events` is the file or folder with the webhook events, None without one.
    """

    operations: dict[DialectName, list[Path]]
    events: Path | None


def read(source: str, scratch: Path, *, fetch: Fetch = media.fetch) -> Publication:
    """The publication at a folder or an https URL; what is fetched goes into the empty folder `scratch`.

    Raises BadRequest when neither OpenAPI files nor events are there, or when several folders have OpenAPI files;
    OSError, and what `media.fetch` raises.
    """
    folder = _fetched(source, scratch, fetch) if source.startswith(("https://", "http://")) else Path(source)
    if folder.is_file() and folder.name == event_types.SOURCE:
        return Publication({}, folder)
    if not folder.is_dir():
        raise BadRequest(f"{source} is no folder and no URL of an archive")
    root = _root(folder, source)
    found = {name: files for name in DIALECTS if root is not None and (files := files_of(root, name))}
    events = event_types.source_in(folder) or event_types.source_in(folder.parent if root == folder else folder)
    if not found and events is None:
        raise BadRequest(f"{source} holds no OpenAPI files (*.json and v3/*.json) and no webhook events")
    return Publication(found, events)


def _root(folder: Path, source: str) -> Path | None:
    """The one folder whose files, or whose v3 folder's files, are OpenAPI files."""
    holders = {file.parent for file in sorted(folder.rglob("*.json")) if _is_openapi(file)}
    roots = sorted({holder.parent if holder.name == "v3" else holder for holder in holders})
    if len(roots) > 1:
        shown = ", ".join(str(root.relative_to(folder)) for root in roots[:5])
        raise BadRequest(f"{source} has OpenAPI files in several folders: name one of {shown}")
    return roots[0] if roots else None


def _is_openapi(file: Path) -> bool:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return "openapi" in file.read_text(encoding="utf-8", errors="replace")[:200]  # the build names its mistake
    return isinstance(document, dict) and isinstance(document.get("paths"), dict)


def _fetched(url: str, scratch: Path, fetch: Fetch) -> Path:
    archive, folder = scratch / "fetched", scratch / "files"
    fetch(url, archive, largest=LARGEST)
    folder.mkdir()
    left = LARGEST
    for name, content, size in _members(archive, url):
        parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
        left -= size
        if left < 0:
            raise BadRequest(f"{url} unpacks to more than {LARGEST:,} bytes")
        to = folder.joinpath(*parts)
        to.parent.mkdir(parents=True, exist_ok=True)
        with content:
            to.write_bytes(content.read(size))
    return folder


def _members(archive: Path, url: str) -> Iterator[tuple[str, IO[bytes], int]]:
    """Name, content and size of the archive's JSON and Markdown files."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir() and info.filename.endswith(_KINDS):
                    yield info.filename, packed.open(info), info.file_size
        return
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() and member.name.endswith(_KINDS) else None
                if content is not None:
                    yield member.name, content, member.size
    except tarfile.TarError as fault:
        raise BadRequest(f"{url} is no archive (zip or tar): {fault}") from fault
