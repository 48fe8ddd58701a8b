"""Merge rule of the synced copy: which payload wins, and whether a record is deleted (one ON CONFLICT clause).

What the vendor says about a record is evidence with a date. The row keeps the best date of each kind:

==============  ================================================  ===========================================
column          evidence                                          its date
==============  ================================================  ===========================================
`alive_at`      a creation event, a listing, an answer to a call  the event's; `INDEX_LAG` before the request
`deleted_at`    a deletion event, an answer or listings without   the event's; the request's
`version_at`    the payload of any of them, and of an update      the vendor's date of change, else as above
==============  ================================================  ===========================================

1. The record is deleted while `deleted_at` is not before `alive_at`. An update says nothing about that: it may be sent
   after the deletion, so it never brings a deleted record back.
2. The payload with the latest date counts. A listing reflects all changes up to `INDEX_LAG` before its request, so that
   is its date when the row's own date is older: webhooks date their partial payload a little after the change, and
   without this no listing would complete it.
3. An update is partial: its fields are laid over the payload. Every other payload replaces it.

Only the latest dates count, so whether a record is deleted does not depend on the order or repetition of evidence.
"""

from __future__ import annotations

from datetime import timedelta

INDEX_LAG = timedelta(minutes=1)  # the vendor's search index trails its writes by about 7 seconds (FACTS 7.1)

# `r` is the row, EXCLUDED the evidence in the same columns. GREATEST ignores NULL.
_DELETED_AT = "GREATEST({deleted_at}, EXCLUDED.deleted_at)"
_ALIVE_AT = "GREATEST({alive_at}, EXCLUDED.alive_at)"
_IS_DELETED = "({died} IS NOT NULL AND COALESCE({lived} <= {died}, TRUE))"
_WINS = """(NOT {dead} AND (r.deleted_at IS NOT NULL OR COALESCE(
        GREATEST(EXCLUDED.version_at, EXCLUDED.alive_at) >= GREATEST({version_at}, {alive_at}), TRUE)))"""
_PAYLOAD = """(CASE WHEN %(partial)s::boolean AND r.deleted_at IS NULL THEN r.payload || EXCLUDED.payload
        ELSE EXCLUDED.payload END)"""
_CHANGES = """(({counts} AND (r.deleted_at IS NOT NULL OR r.payload IS DISTINCT FROM {payload}))
        OR ({dead} AND r.deleted_at IS NULL))"""

_CLAUSE = """
ON CONFLICT (app_id, location_id, resource, record_id) DO UPDATE SET
    payload = CASE WHEN {counts} THEN {payload} ELSE r.payload END,
    version_at = CASE WHEN {counts} THEN EXCLUDED.version_at ELSE r.version_at END,
    alive_at = {lived},
    deleted_at = CASE WHEN {dead} THEN {died} END,
    deleted_by = CASE WHEN NOT {dead} THEN ''
        WHEN EXCLUDED.deleted_at IS NULL OR EXCLUDED.deleted_at <= r.deleted_at THEN r.deleted_by
        ELSE EXCLUDED.deleted_by END,
    missing_at = CASE WHEN EXCLUDED.alive_at IS NULL THEN r.missing_at END,
    seen_run = GREATEST(EXCLUDED.seen_run, r.seen_run),
    changed_in = CASE WHEN {changes} THEN EXCLUDED.changed_in ELSE r.changed_in END,
    added_in = CASE WHEN r.deleted_at IS NOT NULL AND NOT {dead} THEN EXCLUDED.added_in ELSE r.added_in END,
    updated_at = CASE WHEN {changes} THEN EXCLUDED.updated_at ELSE r.updated_at END{noted}
WHERE EXCLUDED.seen_run > COALESCE(r.seen_run, 0)
    OR EXCLUDED.alive_at > COALESCE(r.alive_at, '-infinity')
    OR EXCLUDED.deleted_at > COALESCE(r.deleted_at, '-infinity')
    OR ({counts} AND r.version_at <> EXCLUDED.version_at)
    OR {changes}
"""
# The change itself, for the history: PostgreSQL before 18 returns no old values.
_NOTED = """,
    last_change = CASE WHEN {changes} THEN
        CASE WHEN {counts} THEN sync_changed_fields(r.payload, {payload}) ELSE '{{}}'::jsonb END
        || CASE WHEN r.deleted_at IS NULL THEN '{{}}'::jsonb ELSE '{{"~restored": true}}'::jsonb END
    ELSE r.last_change END"""


def clause(*, repair: bool = False, history: bool = False) -> str:
    """The ON CONFLICT clause that merges evidence into `sync_record AS r`. It takes the parameter `partial`.

    With `history` the row's `last_change` has what it changed (`changes.change_origin`).

    In a repair the row's own dates count only if the row was written after the evidence's `alive_at`: a wrong date,
    such as one in the future, would otherwise block correct data for ever.
    """
    trusted = "(CASE WHEN r.updated_at >= EXCLUDED.alive_at THEN r.{} END)" if repair else "r.{}"
    parts = {name: trusted.format(name) for name in ("alive_at", "deleted_at", "version_at")}
    for name, part in (("died", _DELETED_AT), ("lived", _ALIVE_AT), ("dead", _IS_DELETED), ("counts", _WINS)):
        parts[name] = part.format(**parts)
    parts["payload"] = _PAYLOAD
    parts["changes"] = _CHANGES.format(**parts)
    parts["noted"] = _NOTED.format(**parts) if history else ""
    return _CLAUSE.format(**parts)
