"""The spool: durable store for grants that could not be committed because the database was unavailable.

An entry is written twice: to a directory of this machine (synced, then renamed into place) and to Redis. So it outlives
either, and a worker anywhere can commit it. The sweep does so within seconds of the database's return; a thread in each
serving process (`spool.drain_thread`) commits entries that are only on this machine's disk. An entry is removed only
after its commit, and a second commit of the same entry changes nothing. An entry waits while the database fails. An
entry that cannot be committed (its key is gone, it is damaged) is set aside, never deleted: a process that starts and
`manage.py spool retry` try it again.

Grants are sealed as in the database; the rest of an entry is identifiers. The binding of the sealed grant is stored
beside it for the vault, which re-seals entries under the newest key (`spool.vault_adapter`). The commit derives the
binding again.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from operator import methodcaller
from typing import Any

import structlog
from django.db import DataError
from django.db import Error as AnyDatabaseError

from integrations.core.errors import Retryable, StoreUnavailable
from integrations.highlevel.oauth.grants import Grant
from integrations.tenants.models import App
from integrations.tokens import database, seals
from integrations.tokens.spool import serialization
from integrations.tokens.spool.backends import BACKENDS, FAILURES, SpoolBackend
from integrations.vault.seal import Binding, seal

COMMITTED, WAITS, ASIDE = "committed", "waits", "set aside"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpooledGrant:
    """A spooled grant, when it was requested, and the caller's own `facts` (identifiers, JSON)."""

    kind: str
    at: datetime
    facts: dict[str, Any]
    sealed: bytes

    def grant(self, app: App, binding: Binding) -> Grant:
        """Open the sealed grant of this app. Raises SealBroken."""
        return serialization.unpacked(seals.opened(app, self.sealed, binding))


Commit = Callable[[SpooledGrant], None]
_commits: dict[str, Commit] = {}


def keep(kind: str, grant: Grant, binding: Binding, *, at: datetime, **facts: Any) -> None:
    """Put a grant into the spool. Raises StoreUnavailable when disk and Redis both failed: then it is lost."""
    blob = base64.b64encode(seal(serialization.packed(grant), binding)).decode()
    bound = {"owner": binding.owner, "field": binding.field, "generation": binding.generation}
    text = json.dumps({"at": at.isoformat(), "facts": facts, "bound": bound, "grant": blob}).encode()
    name = f"{kind}-{secrets.token_hex(16)}"
    places = [backend.name for backend in BACKENDS if _put(backend, name, text)]
    if not places:
        log.critical("spool.lost", kind=kind, **facts)
        raise StoreUnavailable("database, disk and Redis are unavailable: the vendor's answer is lost", **facts)
    log.error("spool.kept", kind=kind, places=places, then="committed when the database is back", **facts)


def register(kind: str, commit: Commit) -> None:
    """Register how grants of this kind are committed. A room calls it once, at start-up."""
    _commits[kind] = commit


def drain_all() -> int:
    """Commit the entries of every registered kind. Returns how many no longer wait."""
    return sum(drain(kind, commit) for kind, commit in _commits.items())


def drain(kind: str, commit: Commit) -> int:
    """Commit every entry of this kind. Returns how many no longer wait. Stops at an outage of the database."""
    done = 0
    for name, copies in sorted(_waiting(kind).items()):
        try:
            done += _settle(name, copies, commit) != WAITS
        except database.LOST:
            database.release()
            break
    return done


def retry(names: Collection[str] | None = None) -> dict[str, str]:
    """Try waiting entries and those set aside now (all, or the named ones). Returns the result in words, by name."""
    bring_back(names)
    results: dict[str, str] = {}
    for kind, commit in _commits.items():
        for name, copies in sorted(_waiting(kind).items()):
            if names is None or name in names:
                results[name] = _retry_one(name, copies, commit)
    return results


def bring_back(names: Collection[str] | None = None) -> None:
    """Make entries that were set aside wait again: the key may be back, or the fault fixed."""
    for backend in BACKENDS:
        with suppress(*FAILURES):
            for name in backend.look(aside=True).texts:
                if names is None or name in names:
                    backend.bring_back(name)


def remove(name: str) -> None:
    """Remove an entry, waiting or set aside, from every backend that answers."""
    _everywhere(methodcaller("remove", name))
    _everywhere(methodcaller("remove", name, aside=True))


def _settle(name: str, copies: list[bytes], commit: Commit) -> str:
    """Commit an entry, or set it aside when waiting cannot help. Raises `database.LOST`."""
    try:
        _commit_any(name, copies, commit)
    except database.LOST:
        raise
    except Exception as error:
        if _may_pass(error):
            log.warning("spool.waits", entry=name, reason=type(error).__name__)
            return WAITS
        log.exception("spool.set_aside", entry=name, then="manage.py spool retry, or drop")
        _everywhere(methodcaller("set_aside", name))
        return f"{ASIDE}: {type(error).__name__}"
    log.info("spool.committed", entry=name)
    remove(name)
    return COMMITTED


def _may_pass(error: Exception) -> bool:
    """Whether the error may pass. A value that no column takes is the entry's fault; other database errors may pass."""
    return isinstance(error, Retryable | AnyDatabaseError) and not isinstance(error, DataError)


def _retry_one(name: str, copies: list[bytes], commit: Commit) -> str:
    try:
        return _settle(name, copies, commit)
    except database.LOST as error:
        database.release()
        return f"{WAITS}: {type(error).__name__}"


def _put(backend: SpoolBackend, name: str, text: bytes) -> bool:
    try:
        backend.put(name, text)
    except FAILURES as error:
        log.warning("spool.backend_failed", backend=backend.name, reason=type(error).__name__)
        return False
    return True


def _commit_any(name: str, copies: list[bytes], commit: Commit) -> None:
    """Commit the first copy that can be: of two that differ, one is damaged or sealed by an older key."""
    for copy in copies[:-1]:
        try:
            return commit(read(name, copy))
        except Exception as error:  # the last copy's failure is the one that counts
            if _may_pass(error):
                raise
            log.warning("spool.copy_failed", entry=name, reason=type(error).__name__, then="the other backend's copy")
    return commit(read(name, copies[-1]))


def read(name: str, text: bytes) -> SpooledGrant:
    """Parse an entry. Raises ValueError, KeyError or TypeError when it is damaged."""
    raw = json.loads(text)
    kind = name.partition("-")[0]
    return SpooledGrant(kind, datetime.fromisoformat(raw["at"]), raw["facts"], base64.b64decode(raw["grant"]))


def _waiting(kind: str) -> dict[str, list[bytes]]:
    """The waiting entries by name, each with the copies of the backends: usually equal."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for backend in BACKENDS:
        with suppress(*FAILURES):
            for name, text in backend.look().texts.items():
                if name.startswith(f"{kind}-") and text not in found[name]:
                    found[name].append(text)
    return {name: copies for name, copies in found.items() if copies}


def _everywhere(act: Callable[[SpoolBackend], None]) -> None:
    for backend in BACKENDS:
        with suppress(*FAILURES):
            act(backend)
