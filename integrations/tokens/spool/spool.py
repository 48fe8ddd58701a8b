"""The spool: durable store for grants that could not be committed because the database was unavailable.

An entry is written twice: to a directory of this machine (synced, then renamed into place) and to Redis. So it outlives
either, and a worker anywhere can commit it. The sweep does so within seconds of the database's return; a thread in each
serving process (`spool.drain_thread`) commits entries that are only on this machine's disk. An entry is removed only
after its commit, and a second commit of the same entry changes nothing. An entry waits while the database fails. An
entry that cannot be committed (its key is gone, it is damaged) is set aside, never deleted: a process that starts and
`manage.py spool retry` try it again.

Grants are sealed as in the database; the rest of an entry is identifiers, and can be read without a key. All of it is
bound into the seal (`bound`): an entry under another name, with another time or other facts, cannot be decrypted. The
owner's part of the binding is stored beside it for the vault, which re-seals entries under the newest key
(`spool.vault_adapter`). The commit derives that part again.

A name is used once: the commit records it, in its own transaction. So an entry that is put back changes nothing.
An entry from the future (by more than `AHEAD`) is set aside like a damaged one.

Earlier releases bound the owner's part only and wrote no version. Their entries are version 1 and still open.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import methodcaller
from typing import Any

import structlog
from django.db import DataError, transaction
from django.db import Error as AnyDatabaseError

from integrations.core import clock
from integrations.core.errors import IntegrationError, PayloadAnomalous, Retryable, StoreUnavailable
from integrations.highlevel.oauth.grants import Grant
from integrations.tenants.models import App
from integrations.tokens import database, seals
from integrations.tokens.models import SpentName
from integrations.tokens.spool import serialization
from integrations.tokens.spool.backends import BACKENDS, FAILURES, SpoolBackend
from integrations.vault.seal import Binding, seal

AHEAD = timedelta(minutes=5)  # by which the clocks of two machines may differ
_VERSION = 2  # of an entry that is written now
COMMITTED, WAITS, ASIDE = "committed", "waits", "set aside"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpooledGrant:
    """A spooled grant, when it was requested, and the caller's own `facts` (identifiers, JSON).

    They are proven only when `grant` opens.
    """

    name: str
    kind: str
    at: datetime
    facts: dict[str, Any]
    sealed: bytes
    version: int = _VERSION

    def grant(self, app: App, binding: Binding) -> Grant:
        """Open the sealed grant of this app. Raises SealBroken, also when name, time or facts were changed."""
        return serialization.unpacked(seals.opened(app, self.sealed, bound(binding, self)))


Commit = Callable[[SpooledGrant], None]
_commits: dict[str, Commit] = {}


def keep(kind: str, grant: Grant, binding: Binding, *, at: datetime, **facts: Any) -> None:
    """Put a grant into the spool. Raises StoreUnavailable when disk and Redis both failed: then it is lost."""
    entry = SpooledGrant(f"{kind}-{secrets.token_hex(16)}", kind, at, facts, b"")
    blob = base64.b64encode(seal(serialization.packed(grant), bound(binding, entry))).decode()
    owner = {"owner": binding.owner, "field": binding.field, "generation": binding.generation}
    fields = {"version": entry.version, "at": at.isoformat(), "facts": facts, "bound": owner, "grant": blob}
    text = json.dumps(fields).encode()
    name = entry.name
    places = [backend.name for backend in BACKENDS if _put(backend, name, text)]
    if not places:
        log.critical("spool.lost", kind=kind, **facts)
        raise StoreUnavailable("database, disk and Redis are unavailable: the vendor's answer is lost", **facts)
    log.error("spool.kept", kind=kind, places=places, then="committed when the database is back", **facts)


def bound(binding: Binding, entry: SpooledGrant) -> Binding:
    """The binding of a spooled grant: the owner's, and everything that the entry says beside the grant.

    The version itself is not bound: a grant of one version cannot be decrypted as the other.
    """
    if entry.version == 1:
        return binding
    facts = json.dumps(entry.facts, sort_keys=True, separators=(",", ":"))
    return replace(binding, owner=(*binding.owner, entry.name, entry.at.isoformat(), facts))


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
        reason = str(error) if isinstance(error, IntegrationError) else type(error).__name__
        log.exception("spool.set_aside", entry=name, reason=reason, then="manage.py spool retry, or drop")
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
            return _commit_once(read(name, copy), commit)
        except Exception as error:  # the last copy's failure is the one that counts
            if _may_pass(error):
                raise
            log.warning("spool.copy_failed", entry=name, reason=type(error).__name__, then="the other backend's copy")
    return _commit_once(read(name, copies[-1]), commit)


def _commit_once(entry: SpooledGrant, commit: Commit) -> None:
    """Commit an entry whose name was not used before. Raises PayloadAnomalous for one from the future."""
    if entry.at > clock.now() + AHEAD:
        raise PayloadAnomalous(f"{entry.name} is from the future: {entry.at.isoformat()}")
    with transaction.atomic():
        if SpentName.spend(entry.name, now=clock.now()):
            commit(entry)
        else:
            log.warning("spool.spent", entry=entry.name, then="removed")


def read(name: str, text: bytes) -> SpooledGrant:
    """Parse an entry. Raises ValueError when it is damaged."""
    raw = fields(text)
    kind = name.partition("-")[0]
    try:
        at, sealed, facts = datetime.fromisoformat(raw["at"]), base64.b64decode(raw["grant"]), dict(raw["facts"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"the entry is damaged: {type(error).__name__}") from None
    if at.tzinfo is None:
        raise ValueError("the entry is damaged: a time without a zone")
    return SpooledGrant(name, kind, at, facts, sealed, raw.get("version", 1))


def fields(text: bytes) -> dict[str, Any]:
    """The fields of an entry as they are stored. Raises ValueError for a text that is no JSON object.

    Who can write to Redis chooses the text, so it must not raise anything else: it would end the look at all others.
    """
    try:
        raw = json.loads(text)
    except RecursionError:
        raise ValueError("the entry is nested too deeply") from None
    if not isinstance(raw, dict):
        raise ValueError("the entry is no JSON object")  # noqa: TRY004 - one kind of error for all damage
    return raw


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
