"""Where a grant waits when the database is lost between the vendor's answer and our commit.

An entry is written twice: to a directory of this machine (synced, then renamed into place) and to Redis, so that it
outlives either, and so that a worker anywhere can commit it. The sweep does, within seconds of the database's return;
an entry goes only after its commit, and a commit that comes twice changes nothing. What cannot be committed (its key
is gone, its row does not take it) is set aside for an operator, never thrown away.

Grants are sealed as in the database; the rest of an entry is identifiers.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from integrations.core.errors import StoreUnavailable
from integrations.highlevel.grants import Grant
from integrations.quota import shelf
from integrations.tokens import database, parcel
from integrations.vault.seal import Binding, seal, unseal

log = structlog.get_logger(__name__)

_SHELF, _ASIDE = "spool", "spool-aside"


@dataclass(frozen=True, slots=True)
class Entry:
    """A grant that waits, when it was asked for, and the caller's own `facts` (identifiers, JSON)."""

    kind: str
    at: datetime
    facts: dict[str, Any]
    sealed: bytes

    def grant(self, binding: Binding) -> Grant:
        """Raises SealBroken."""
        return parcel.unpacked(unseal(self.sealed, binding))


def keep(kind: str, grant: Grant, binding: Binding, *, at: datetime, **facts: Any) -> None:
    """Put a grant into the spool. Raises StoreUnavailable when neither disk nor Redis took it: then it is lost."""
    blob = base64.b64encode(seal(parcel.packed(grant), binding)).decode()
    text = json.dumps({"at": at.isoformat(), "facts": facts, "grant": blob}).encode()
    name = f"{kind}-{secrets.token_hex(16)}"
    places = [place for place, put in (("disk", _write), ("redis", _shelve)) if _tried(place, put, name, text)]
    if not places:
        log.critical("spool.lost", kind=kind, **facts)
        raise StoreUnavailable("database, disk and Redis are away: the vendor's answer is lost", **facts)
    log.error("spool.kept", kind=kind, places=places, then="committed when the database is back", **facts)


def drain(kind: str, commit: Callable[[Entry], None]) -> int:
    """Hand every entry of this kind to `commit`; how many are done. Stops, quietly, while the database is away."""
    done = 0
    for name, text in sorted(_waiting(kind).items()):
        try:
            commit(_read(kind, text))
        except database.LOST:
            database.let_go()
            return done
        except Exception:  # a poisoned entry must not hold up the others; it is kept, and shouted about
            log.exception("spool.set_aside", entry=name)
            _set_aside(name, text)
        else:
            log.info("spool.committed", entry=name)
            _remove(name)
        done += 1
    return done


def _tried(place: str, put: Callable[[str, bytes], None], name: str, text: bytes) -> bool:
    try:
        put(name, text)
    except (OSError, StoreUnavailable) as error:
        log.warning("spool.place_failed", place=place, reason=type(error).__name__)
        return False
    return True


def _read(kind: str, text: bytes) -> Entry:
    raw = json.loads(text)
    return Entry(kind, datetime.fromisoformat(raw["at"]), raw["facts"], base64.b64decode(raw["grant"]))


def _waiting(kind: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with suppress(StoreUnavailable):
        found.update((name, text) for name, text in shelf.items(_SHELF).items() if name.startswith(f"{kind}-"))
    for path in _files(kind):
        with suppress(FileNotFoundError):  # another process has just committed it
            found[path.name] = path.read_bytes()
    return found


def _directory() -> Path:
    """One for each database, so that two deployments on one machine never mix."""
    return Path(settings.SPOOL_DIR, settings.NAMESPACE)


def _files(kind: str) -> Iterator[Path]:
    return (path for path in _directory().glob(f"{kind}-*") if not path.suffix)


def _shelve(name: str, text: bytes) -> None:
    shelf.put(_SHELF, name, text)


def _write(name: str, text: bytes) -> None:
    directory = _directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = directory / f"{name}.part"
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(directory / name)
    _sync(directory)


def _set_aside(name: str, text: bytes) -> None:
    with suppress(OSError):
        (_directory() / name).rename(_directory() / f"{name}.aside")
    with suppress(StoreUnavailable):
        shelf.put(_ASIDE, name, text)
        shelf.take_away(_SHELF, name)


def _remove(name: str) -> None:
    with suppress(OSError):
        (_directory() / name).unlink(missing_ok=True)
    with suppress(StoreUnavailable):
        shelf.take_away(_SHELF, name)


def _sync(directory: Path) -> None:
    """The rename itself has to outlive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
