"""What a timeline shows: references to rows, and the moments of a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from integrations.core.runs import current_run

# By the room that has the row.
_KINDS = {"jobs": "job", "sync": "sync", "outbox": "outbox", "upserts": "upsert_run", "webhooks": "event"}


@dataclass(frozen=True, slots=True)
class Ref:
    """A row: its kind (`kinds.KINDS`) and its primary key."""

    kind: str
    pk: int

    def __str__(self) -> str:
        """The reference as an address has it: `event:12`."""
        return f"{self.kind}:{self.pk}"


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline. `tone` is a CSS class, `words` may hold text from outside."""

    at: datetime
    ref: Ref
    title: str
    what: str
    words: str = ""
    tone: str = ""
    tenant_id: str = ""
    trace_id: str = ""
    url: str = ""


def ref_of(name: str) -> Ref | None:
    """The run or webhook that a row names as the one that made it (`core.runs.current_run`); None without one."""
    found = current_run.parsed(name)
    kind = _KINDS.get(found[0]) if found else None
    return Ref(kind, found[1]) if found and kind else None


def page_of(model: str, pk: Any) -> str:
    """The admin page of a row; empty when it has none."""
    try:
        return reverse(f"admin:{model}_change", args=[pk])
    except NoReverseMatch:
        return ""
