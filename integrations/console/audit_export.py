"""Exports the sealed head of the audit trail, so that a later cut of the trail, with the head put back, is seen.

Every minute in which the trail has grown the head goes

- to the log, always: the event `audit.head`;
- to `AUDIT_HEAD_FILE`, if it is set: a line of JSON is appended. The file should be on another machine, or be one that
  can only be appended to;
- to `AUDIT_HEAD_URL`, if it is set, by HTTPS PUT. `{number}` in the address is replaced by the entry's number, so each
  head is an object of its own. `AUDIT_HEAD_TOKEN` goes along as a bearer token. A store of objects that takes a PUT
  with a bearer token, or with a signature in the address, is such an address. S3's own signatures are not made here:
  they would need its library, or code of ours that no S3 has tested;
- into a row, which `audit heads` lists and `audit verify` compares. Who can write to the database can delete it: the
  other places are the proof.

What one place does not take is tried again a minute later, when the newest head replaces it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from integrations.core.audit import exported_heads, maintenance
from integrations.core.audit_seals import Standing, TrailHead
from integrations.core.models import AuditHeadExport
from integrations.vault import https_source

LOG, FILE, ADDRESS = "log", "file", "address"
KEPT = timedelta(days=30)  # that the database remembers all exports; of older ones it remembers one a day
_TIMEOUT = 10.0
log = structlog.get_logger(__name__)


def export(now: datetime) -> AuditHeadExport | None:
    """Export the head. None when the trail has not grown since the last export that every place took."""
    head = exported_heads.current()
    if head is None:
        return None
    if head.standing is not Standing.GENUINE:
        log.error("audit.head_not_proven", number=head.number, reason=head.standing.value)
        return None
    last = AuditHeadExport.objects.first()
    if last is not None and last.head == head.as_json() and not last.trouble:
        return None
    log.info("audit.head", **head.as_json())
    places, troubles = [LOG], []
    for place, error in _places(head):
        if error:
            log.error("audit.head_not_exported", place=place, reason=error, number=head.number)
            troubles.append(f"{place}: {error}")
        else:
            places.append(place)
    fields = {"number": head.number, "head": head.as_json(), "places": places, "trouble": "; ".join(troubles)[:300]}
    found = AuditHeadExport.objects.create(exported_at=now, **fields)
    maintenance.thin_exports(now - KEPT)
    return found


def _places(head: TrailHead) -> Iterator[tuple[str, str]]:
    """Export to each place that is set: its name, and what went wrong."""
    if settings.AUDIT_HEAD_FILE:
        yield FILE, _to_file(head)
    if settings.AUDIT_HEAD_URL:
        yield ADDRESS, _to_address(head)


def _to_file(head: TrailHead) -> str:
    try:
        file = os.open(settings.AUDIT_HEAD_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(file, (json.dumps(head.as_json()) + "\n").encode())
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _to_address(head: TrailHead) -> str:
    url = settings.AUDIT_HEAD_URL.replace("{number}", f"{head.number:012d}")
    headers = {"Content-Type": "application/json"}
    if settings.AUDIT_HEAD_TOKEN:
        headers["Authorization"] = f"Bearer {settings.AUDIT_HEAD_TOKEN}"
    try:
        https_source.put(url, json.dumps(head.as_json()).encode(), timeout=_TIMEOUT, headers=headers)
    except https_source.NoAnswer as error:
        return str(error)
    return ""
