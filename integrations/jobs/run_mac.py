"""MAC of a run (`vault.row_macs`): schedule and start, whether it goes on, its checkpoint, the rest of its page."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from integrations.vault import row_macs


def content(schedule_id: int, started_at: datetime, status: str, checkpoint: Any, page: bytes) -> bytes:
    """What the MAC covers. `page`: the digest of the rest of the page."""
    return row_macs.content("job run", schedule_id, started_at, status == "running", checkpoint, page)


def page_digest(page: Any) -> bytes:
    """The digest of the rest of a page, 32 bytes; empty without one."""
    return b"" if page is None else hashlib.sha256(row_macs.content(page)).digest()


def of_new(schedule_id: int, started_at: datetime) -> bytes:
    """The MAC of a run that begins."""
    return row_macs.mac(content(schedule_id, started_at, "running", {}, b""))
