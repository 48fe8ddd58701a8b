"""Deletes many rows in batches, so that no other statement waits for long and each stays within its time limit.

It skips rows that others have locked: the next call deletes them.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations.core import clock

BATCH = 1_000  # rows of one transaction


def delete(rows: QuerySet[Any], until: float) -> int:
    """Delete the rows, in their order, until `until` (monotonic); returns how many. The order needs an index."""
    deleted = 0
    while clock.monotonic() < until:
        batch = delete_batch(rows, BATCH)
        deleted += batch
        if batch < BATCH:
            break
    return deleted


def delete_batch(rows: QuerySet[Any], most: int) -> int:
    """Delete the first `most` of the rows in one transaction; returns how many. A request passes a small `most`."""
    with transaction.atomic():
        free = rows.select_for_update(skip_locked=True, of=("self",))
        ids = list(free.values_list("pk", flat=True)[:most])
        rows.model._base_manager.filter(pk__in=ids).only("pk").delete()  # noqa: SLF001 - documented by Django
    return len(ids)
