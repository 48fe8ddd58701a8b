"""Key check values: prove that each key of the ring is the one that always had its id, before its first use.

A missing key is easy to find: its id is in the rows and not in the ring. Another key under the same id is not, until it
has sealed rows that the other machines cannot open. So the database has a check value of each key: a sealed constant.
The first process with a new key writes it, and all others must be able to open it.

A key that is older than its check value is accepted when it opens a value that is stored under its id, or when there
is no such value. The proof runs in every process, management commands too, at the first use of the ring (`keys.ring`).
Web, worker and beat processes run it at start-up as well (`at_start`). It fails closed: nothing is opened, sealed or
sent.
"""

from __future__ import annotations

import structlog
from django.db import DatabaseError, InterfaceError

from integrations.core import audit, clock
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.vault import columns, derived_keys, keys, sealed_counts
from integrations.vault.keys import KeyRing
from integrations.vault.models import KeyCheckValue
from integrations.vault.seal import Binding, seal_under, unseal_anywhere

log = structlog.get_logger(__name__)

_CONSTANT = Secret("the key with this id is the one that sealed me")
_SAMPLES = 3  # values of each column: one damaged value proves nothing against a key


def at_start() -> None:
    """Prove the ring when web, worker or beat starts. Raises SealBroken, naming the keys that are wrong or missing.

    Without a database (or before its first `migrate`) it only logs that: a web process has to come up and answer 503,
    and the ring is proven at its first use.
    """
    try:
        sealed_counts.require(keys.ring())
    except (DatabaseError, InterfaceError) as error:
        log.warning("vault.unproven", reason=type(error).__name__, then="the keys are proven at their first use")


def prove(ring: KeyRing) -> None:
    """Prove each key by its check value. Raises SealBroken, naming the keys whose bytes have changed."""
    wrong = wrong_keys(ring)
    if wrong:
        named = ", ".join(map(repr, wrong))
        raise SealBroken(
            f"VAULT_KEYS has another key under the id {named} than the one that sealed what is stored: "
            "put the right one back, and give a new key an id of its own",
            key_ids=wrong,
        )


def wrong_keys(ring: KeyRing) -> list[str]:
    """The ids of keys whose bytes have changed. Writes the check values that are missing.

    Values that were opened for a proof are recorded, because they may be tokens: in the audit trail, or, as a wrong
    ring cannot seal an entry, in the log.
    """
    new = [key_id for key_id in ring.ciphers if key_id not in _check_values(ring)]
    proofs = {key_id: _proof_by_what_is_stored(ring, key_id) for key_id in new}
    wrong = {key_id for key_id, opened in proofs.items() if opened and not any(opened)}
    KeyCheckValue.objects.bulk_create(
        [_new_check_value(ring, key_id) for key_id in new if key_id not in wrong], ignore_conflicts=True
    )
    # Read again: another process, with another key under this id, may have written its check value first.
    wrong.update(key_id for key_id, sealed in _check_values(ring).items() if not _opens(ring, sealed, _binding(key_id)))
    _record({key_id: opened for key_id, opened in proofs.items() if opened}, ring, is_right=not wrong)
    return [key_id for key_id in ring.ciphers if key_id in wrong]


def _check_values(ring: KeyRing) -> dict[str, bytes]:
    rows = KeyCheckValue.objects.filter(key_id__in=list(ring.ciphers)).values_list("key_id", "sealed")
    return {key_id: bytes(sealed) for key_id, sealed in rows}


def _new_check_value(ring: KeyRing, key_id: str) -> KeyCheckValue:
    sealed = seal_under(ring, key_id, _CONSTANT, _binding(key_id))
    return KeyCheckValue(key_id=key_id, sealed=sealed, created_at=clock.now())


def _proof_by_what_is_stored(ring: KeyRing, key_id: str) -> list[bool]:
    """For a key without a check value: which of some values stored under its id it opens. Their text is discarded."""
    return [
        _opens(ring, column.value(row), column.binding(row))
        for column in columns.registered()
        for row in column.under(key_id)[:_SAMPLES]
    ]


def _record(proofs: dict[str, list[bool]], ring: KeyRing, *, is_right: bool) -> None:
    for key_id, opened in proofs.items():
        counts = {"tried": len(opened), "opened": sum(opened)}
        if is_right:
            with derived_keys.with_ring(ring):
                audit.record("vault.key_proven", actor="system", subject=f"key:{key_id}", **counts)
        else:
            log.warning("vault.key_examined", key=key_id, **counts)


def _opens(ring: KeyRing, sealed: bytes, binding: Binding) -> bool:
    try:
        unseal_anywhere(ring, sealed, binding)
    except SealBroken:
        return False
    return True


def _binding(key_id: str) -> Binding:
    return Binding(owner=("key", key_id), field="witness", generation=0)
