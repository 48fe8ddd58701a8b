"""MAC of a sync run (`vault.row_macs`): its plan, start and kind, whether it goes on, and its checkpoint.

The checkpoint is covered by its digest, because a turn changes what it has read before it writes it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from integrations.vault import row_macs


def of(plan_id: int, started_at: datetime, kind: str, status: str, checkpoint: bytes) -> bytes:
    """What the MAC covers. `checkpoint` is a digest."""
    return row_macs.stored_content("sync run", plan_id, started_at, kind, status == "running", checkpoint)


def digest(checkpoint: Any) -> bytes:
    """The digest of a checkpoint, 32 bytes."""
    return hashlib.sha256(row_macs.content(checkpoint)).digest()


def of_new(plan_id: int, started_at: datetime, kind: str) -> bytes:
    """The MAC of a run that begins."""
    return row_macs.mac(of(plan_id, started_at, kind, "running", digest({})))
