"""MACs over rows that make workers act: who can write to the database, and has no key of the vault, has nothing done.

A room computes the MAC of what decides over a row (`mac` over `content`) when it writes the row, and compares it before
it acts on the row (`fits`). The MAC is HMAC-SHA-256 under one key of this database. The key is random, and the vault
seals it like any other secret. So a rotation of the vault's keys leaves the MACs alone, and the database alone makes
none.

**Rows of the release before.** Processes of that release run beside this one for a while. They write rows without a
MAC, or change rows and leave the MAC as it was. Until the end of the *transition* such rows are taken as they are. Its
end is sealed together with the key: SQL alone cannot move it. The migration that makes the key sets it, a day later; a
new database has no transition. Until then `signed_tables` signs what is found. Afterwards a row that does not fit is
held.

**What remains.** A row that was put back together with its MAC, as it was at an earlier time, fits. The rooms say what
it can do (docs/security.md).

When the key is lost with the vault's (`manage.py vault forget`), a new one is made, without a transition:
what is stored is held until `manage.py vault sign` vouches for it.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from integrations.core import audit, clock
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.core.texts import as_stored_json
from integrations.vault import columns, forget
from integrations.vault.models import RowMacKey
from integrations.vault.seal import Binding, is_under, seal, unseal

Mac = bytes | memoryview | None  # of a row, as it was read
NOT_OURS = "another program wrote or changed its row in the database"
BINDING = Binding(("key of row MACs",), "key", 1)  # the migration that makes the key has it, too
_ONLY = 1  # primary key of the one row
_KEPT_SECONDS = 60.0  # that a process uses the key without reading its row again
_inside = sensitive()


@dataclass(frozen=True, slots=True)
class _Key:
    """The key, and the end of the transition. None: there is none."""

    secret: Secret = field(repr=False)
    trusted_until: datetime | None
    read_at: float  # on the monotonic clock


_kept: dict[str, _Key] = {}  # by the name of the database; tests and backups have several in a process
_uncommitted: set[str] = set()  # databases for which a transaction of this process made a key


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    raise TypeError(f"no part of a MAC: {type(value).__name__}")


_encode = json.JSONEncoder(sort_keys=True, default=_as_json).encode


def content(*parts: Any) -> bytes:
    """What a MAC covers: JSON values, moments and bytes, unambiguously.

    JSON gives the same bytes before it is stored and after it was read, though `jsonb` changes numbers and names.
    """
    return stored_content(*json.loads(json.dumps(parts, default=_as_json)))


def stored_content(*parts: Any) -> bytes:
    """As `content`, at a third of the cost, for JSON whose names are texts: what was parsed from JSON."""
    text = _encode(parts)
    if "e+" in text or "-0.0" in text:  # numbers that `jsonb` returns in another way
        text = json.dumps(as_stored_json(json.loads(text)), sort_keys=True)
    return text.encode()


def mac(covered: bytes) -> bytes:
    """The MAC of this content, 32 bytes. Raises SealBroken for a wrong or missing key of the vault."""
    return _mac(_key(), covered)


def fits(found: bytes | memoryview | None, covered: bytes) -> bool:
    """Whether a row with this MAC and content may be acted on. Raises SealBroken for a wrong key of the vault."""
    return passes(found, mac(covered))


def passes(found: bytes | memoryview | None, expected: bytes) -> bool:
    """As `fits`, for a row whose MAC was computed in another way from one of this module."""
    return is_same(found, expected) or trusted_until() is not None


def is_same(found: bytes | memoryview | None, expected: bytes) -> bool:
    """Whether a row has this MAC."""
    return found is not None and hmac.compare_digest(bytes(found), expected)


def other(has: Mapping[str, Mac], wanted: Mapping[str, Mac]) -> dict[str, Any]:
    """The columns whose MAC is another one than the row has: what `signed_tables` writes."""
    return {name: mac for name, mac in wanted.items() if _bytes(has[name]) != _bytes(mac)}


def trusted_until() -> datetime | None:
    """The end of a transition that is under way, or None. Raises SealBroken for a wrong key of the vault."""
    until = _key().trusted_until
    return until if until is not None and clock.now() < until else None


def reset() -> None:
    """Forget the key: its row is gone, and the next MAC reads or makes another one."""
    _kept.clear()
    _uncommitted.clear()


class LostRowMacKey:
    """`vault.forget.LostKeyHandler`: without the key no row can be proven any more."""

    label = "vault.RowMacKey"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete the key of MACs, if that key of the vault sealed it. The next MAC makes another one."""
        with transaction.atomic():
            audit.lock()
            row = RowMacKey.objects.select_for_update().filter(pk=_ONLY).first()
            if row is None or not is_under(row.sealed, key_id):
                return Counter()
            row.delete()
            audit.record("vault.row_mac_key_lost", actor=actor, subject=f"key:{key_id}", key_id=key_id)
        reset()
        return Counter({"rows must be signed again": 1})


def register() -> None:
    """Register the sealed column and the lost-key handler. Called once at start-up."""
    columns.register(columns.SealedColumn(RowMacKey, "sealed", (), lambda row: BINDING))
    forget.register(LostRowMacKey())


def _bytes(mac: Mac) -> bytes | None:
    return None if mac is None else bytes(mac)


def _mac(key: _Key, covered: bytes) -> bytes:
    with _inside:
        return hmac.digest(key.secret.reveal().encode(), covered, "sha256")


def _key() -> _Key:
    """The key that this process uses. One that may still be rolled back is read again each time."""
    name = connection.settings_dict["NAME"]
    kept = _kept.get(name)
    if kept is not None and clock.monotonic() - kept.read_at < _KEPT_SECONDS:
        return kept
    found = _read()
    if found is None:
        _uncommitted.add(name)
        found = _make()
    if not connection.in_atomic_block:
        _uncommitted.discard(name)
    if name not in _uncommitted:
        _kept[name] = found
    return found


def _read() -> _Key | None:
    sealed = RowMacKey.objects.filter(pk=_ONLY).values_list("sealed", flat=True).first()
    return None if sealed is None else _parsed(unseal(sealed, BINDING))


def _make() -> _Key:
    """A key without a transition. The first of two that are made at the same time counts."""
    sealed = seal(Secret(secrets.token_urlsafe(32) + "|"), BINDING)
    RowMacKey.objects.bulk_create([RowMacKey(pk=_ONLY, sealed=sealed, created_at=clock.now())], ignore_conflicts=True)
    found = _read()
    if found is None:
        raise SealBroken("the key of row MACs was removed at this moment: try again")
    return found


def _parsed(sealed: Secret) -> _Key:
    with _inside:
        secret, _, until = sealed.reveal().partition("|")
        return _Key(Secret(secret), datetime.fromisoformat(until) if until else None, clock.monotonic())
