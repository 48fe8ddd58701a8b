"""Audit trail: append only, each entry chained to the one before it, and sealed by a key that the database lacks.

`entries`       appends an entry
`exported_heads`  heads that were exported, from the database, files and logs
`verification`  compares all entries with their seals, the head and exported heads
`maintenance`   the only ways to delete entries, to seal the chain anew, and to accept what verification found

`core.audit_seals` has what is sealed, and how.

An entry has a number without gaps, a chain value and a seal. The chain value is SHA-256 over the chain value before it
and the entry's content. The seal is an HMAC over number and chain value, under a key that is derived from a key of
`VAULT_KEYS`, whose id the entry has. One row, the head, has the number and chain value of the newest entry; it is
sealed too. So who writes to the database, superuser or not, but has no key of the vault can change nothing unseen:

- A changed entry has another chain value than its own, or no seal that fits.
- A removed, inserted or moved entry breaks numbers and chain values.
- Entries that are cut off at the end are known to the head. The head of an earlier moment would hide that, if the
  attacker has kept it: heads are exported to the log, a file and an address, and compared with the entries.

**Keys.** A seal proves its entry and all before it, since each chain value depends on all before it. So a new key needs
no new seals: with the first entry under it, the whole chain stands under the new key. `vault rotate` verifies the chain
under the old keys and then appends that entry (`maintenance.reseal`). Then an old key can be retired: entries whose key
is not listed are proven by the next entry whose key is.

**Entries of the release before seals** have chain values only. The migration seals them by one entry that follows them.
They are proven from then on. A writer to the database before that could have rewritten them; nothing proves otherwise.
"""

from __future__ import annotations

from integrations.core.audit.entries import Changes, changes, lock, record
from integrations.core.audit.verification import still_holds, verify

__all__ = ["Changes", "changes", "lock", "record", "still_holds", "verify"]
