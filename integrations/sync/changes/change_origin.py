"""Where a change of a record comes from, for its history, and the SQL that writes history beside a merge.

A statement with history is another one than without: what keeps none pays nothing. The old values come from the merge
itself (`evidence.clause`), which sees the row under its lock; so the history is exact, whatever writes at the same
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sync.changes.history_entry import HistoryEntry

Source = HistoryEntry.Source
_TYPE, _REFERENCE = 64, 100  # characters

# `written` are the rows of a merge: id, whether new, whether changed, and the change that the merge noted.
NOTED = """
noted AS (
    INSERT INTO sync_historyentry
        (app_id, location_id, resource, record_id, at, what, fields, source, event_type, reference)
    SELECT %(app)s::bigint, %(location)s::text, %(resource)s::text, record_id, %(now)s::timestamptz,
        CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN inserted THEN 'added'
            WHEN last_change ? '~restored' THEN 'restored' ELSE 'changed' END,
        CASE WHEN inserted THEN '{}'::jsonb ELSE last_change - '~restored' END,
        %(source)s::text, %(event_type)s::text, %(reference)s::text
    FROM written
    WHERE inserted OR (changed AND (deleted_at IS NOT NULL OR last_change <> '{}'::jsonb))
)
"""
# Of tombstones that an UPDATE wrote.
NOTED_DELETIONS = """
INSERT INTO sync_historyentry
    (app_id, location_id, resource, record_id, at, what, fields, source, event_type, reference)
SELECT app_id, location_id, resource, record_id, %(now)s, 'deleted', '{}'::jsonb, %(source)s, '', %(reference)s
FROM sync_record WHERE id = ANY(%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """What showed a change: its source, and the webhook's type and id or the run's number."""

    source: str
    reference: str = ""
    event_type: str = ""

    @classmethod
    def of_run(cls, run: Any, source: Source = Source.LISTING) -> Origin | None:
        """The origin of what a sync run finds; None if its plan keeps no history."""
        return cls(source.value, str(run.pk)) if run.plan.notes_changes else None

    @property
    def values(self) -> dict[str, str]:
        """For the statements."""
        return {
            "source": self.source,
            "reference": self.reference[:_REFERENCE],
            "event_type": self.event_type[:_TYPE],
        }
