"""Storage backends of the spool: a directory of this machine, and a Redis hash. Both may have the same entry.

An entry is a name and a text. An entry that cannot be committed is set aside in its backend until a retry.

Who writes to Redis chooses names, and every name is used in every backend. So the disk takes those of our form only:
any other is no entry there, and names no file of anybody.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from django.conf import settings

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.quota import sealed_hash

_ASIDE, _PART = ".aside", ".part"
_NAME = re.compile(r"[a-z]+-[A-Za-z0-9_-]{1,100}", re.ASCII)
_ABANDONED = timedelta(minutes=5)  # writing takes milliseconds: a writer that began this long ago was killed


@dataclass(frozen=True, slots=True)
class Found:
    """Entries of a backend: texts by name, and the reasons why others cannot be read, by name."""

    texts: dict[str, bytes] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


class SpoolBackend(Protocol):
    """A storage backend. Its methods raise OSError or StoreUnavailable when they fail."""

    name: str

    def look(self, *, aside: bool = False) -> Found:
        """The waiting entries, or those that were set aside. An unreadable entry does not hide the others."""

    def text(self, name: str, *, aside: bool = False) -> bytes | None:
        """The text of one entry; None when it is not here."""

    def put(self, name: str, text: bytes, *, aside: bool = False) -> None:
        """Store an entry; replaces the one of that name."""

    def set_aside(self, name: str) -> None:
        """Move a waiting entry to those set aside. Does nothing when the entry is gone."""

    def bring_back(self, name: str) -> None:
        """Make an entry wait again. Does nothing when it was not set aside here."""

    def remove(self, name: str, *, aside: bool = False) -> None:
        """Delete an entry. Does nothing when it is gone."""


class Disk:
    """Files that are written under another name, synced, then renamed: each is complete, even after a power cut."""

    name = "disk"

    def look(self, *, aside: bool = False) -> Found:
        """The entries by reading every file."""
        found = Found()
        for path in self._files(_ASIDE if aside else ""):
            try:
                found.texts[path.stem] = path.read_bytes()
            except FileNotFoundError:
                continue  # another process has just committed it
            except OSError as error:
                found.unreadable[path.stem] = type(error).__name__
        return found

    def text(self, name: str, *, aside: bool = False) -> bytes | None:
        """The file's content; None when it is gone."""
        with suppress(FileNotFoundError):
            return _path(name, aside=aside).read_bytes()
        return None

    def put(self, name: str, text: bytes, *, aside: bool = False) -> None:
        """Write the entry durably. A failed write leaves no file."""
        directory = _directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = directory / f"{name}.{secrets.token_hex(4)}{_PART}"
        try:
            _write(part, text)
            part.rename(_path(name, aside=aside))
        except BaseException:  # an incomplete file would keep a full disk full
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        _sync(directory)

    def prove(self) -> None:
        """Check that an entry can be stored. Raises OSError. Creates no directory: the wrong user might own it."""
        directory = _directory()
        nearest = next(path for path in (directory, *directory.parents) if path.exists())
        if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
            raise PermissionError(f"{nearest} takes no files")
        if nearest == directory:
            part = directory / f"proof.{secrets.token_hex(4)}{_PART}"
            try:
                _write(part, b"{}")
            finally:
                part.unlink(missing_ok=True)

    def clean_up(self) -> None:
        """Clean up after killed writers: rename complete files to their final name, delete the others."""
        for part in self._files(_PART):
            with suppress(OSError):
                if clock.now().timestamp() - part.stat().st_mtime < _ABANDONED.total_seconds():
                    continue
                if _is_whole(part.read_bytes()):
                    part.rename(part.with_name(part.stem.rpartition(".")[0]))
                else:
                    part.unlink()

    def set_aside(self, name: str) -> None:
        """Rename the file to the suffix of entries set aside."""
        with suppress(FileNotFoundError):
            _path(name, aside=False).rename(_path(name, aside=True))

    def bring_back(self, name: str) -> None:
        """Rename the file back to a waiting entry."""
        with suppress(FileNotFoundError):
            _path(name, aside=True).rename(_path(name, aside=False))

    def remove(self, name: str, *, aside: bool = False) -> None:
        """Delete the file."""
        with suppress(FileNotFoundError):
            _path(name, aside=aside).unlink()

    def _files(self, suffix: str) -> list[Path]:
        """The files with this suffix. `glob` would take an unreadable directory for an empty one."""
        try:
            return [path for path in _directory().iterdir() if path.suffix == suffix]
        except FileNotFoundError:
            return []


class Redis:
    """Two hashes in Redis: the waiting entries, and those set aside."""

    name = "redis"

    def look(self, *, aside: bool = False) -> Found:
        """All entries of the hash."""
        return Found(sealed_hash.items(_hash_name(aside=aside)))

    def text(self, name: str, *, aside: bool = False) -> bytes | None:
        """The entry; None when it is gone."""
        return sealed_hash.get(_hash_name(aside=aside), name)

    def put(self, name: str, text: bytes, *, aside: bool = False) -> None:
        """Store the entry in the hash."""
        sealed_hash.put(_hash_name(aside=aside), name, text)

    def set_aside(self, name: str) -> None:
        """Move the entry to the hash of those set aside."""
        self._move(name, aside=True)

    def bring_back(self, name: str) -> None:
        """Move the entry back to the hash of waiting ones."""
        self._move(name, aside=False)

    def remove(self, name: str, *, aside: bool = False) -> None:
        """Delete the entry from the hash."""
        sealed_hash.delete(_hash_name(aside=aside), name)

    def _move(self, name: str, *, aside: bool) -> None:
        """Copy, then remove. A process killed in between leaves both copies, which costs one more attempt."""
        text = self.text(name, aside=not aside)
        if text is not None:
            self.put(name, text, aside=aside)
            self.remove(name, aside=not aside)


DISK = Disk()
BACKENDS: tuple[SpoolBackend, ...] = (DISK, Redis())
FAILURES = (OSError, StoreUnavailable)


def _directory() -> Path:
    """The directory of this database, so that two deployments on one machine never mix."""
    return Path(settings.SPOOL_DIR, settings.NAMESPACE)


def _path(name: str, *, aside: bool) -> Path:
    """The file of an entry. Raises FileNotFoundError for what cannot be the name of one."""
    if not _NAME.fullmatch(name):
        raise FileNotFoundError("this is no name of an entry")
    return _directory() / (f"{name}{_ASIDE}" if aside else name)


def _hash_name(*, aside: bool) -> str:
    return "spool-aside" if aside else "spool"


def _write(path: Path, text: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_whole(text: bytes) -> bool:
    try:
        return "grant" in json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return False


def _sync(directory: Path) -> None:
    """Sync the directory: the rename itself has to outlive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
