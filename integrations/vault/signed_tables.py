"""Signs stored rows as they are found: those of the release before, and those that a person vouches for.

Each room with MACs over rows registers its tables. During the transition (`vault.row_macs`) a task signs what lacks its
MAC, such as the schedule of a monthly job that no process touches for weeks. Afterwards only a person does that:
`manage.py vault sign`, for rows that were changed by SQL on purpose, or after the key of the MACs was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from integrations.core import audit
from integrations.vault import row_macs

BATCH = 200


@dataclass(frozen=True, slots=True)
class SignedTable:
    """A table whose rows are signed.

    `rows`: those on which somebody may act. `lacks`: the columns to write so that a row fits as it is; empty when it
    does.
    """

    model: type[Model]
    rows: Callable[[], QuerySet[Any]]
    lacks: Callable[[Any], dict[str, Any]]

    @property
    def label(self) -> str:
        """`app.Model`, for reports."""
        return self.model._meta.label  # noqa: SLF001 - documented by Django


_registered: dict[str, SignedTable] = {}


def register(*tables: SignedTable) -> None:
    """Make tables known to the task and the command."""
    _registered.update((table.label, table) for table in tables)


def sign_in_transition() -> Counter[str]:
    """Sign what the release before has written; how many rows of each table. Nothing after the transition."""
    if row_macs.trusted_until() is None:
        return Counter()
    return _sign_all("system", "rows of the release before")


def vouch(*, actor: str, reason: str) -> Counter[str]:
    """Sign every row as it is, because a person says that it is right; how many rows of each table."""
    return _sign_all(actor, reason)


def _sign_all(actor: str, reason: str) -> Counter[str]:
    counts = Counter({label: _sign(table) for label, table in _registered.items()})
    signed = +counts
    if signed:
        audit.record("vault.rows_signed", actor=actor, subject="rows", reason=reason, rows=dict(signed))
    return signed


def _sign(table: SignedTable) -> int:
    """In batches, each in a transaction of its own. A row that another transaction has locked is left out."""
    signed, last = 0, 0
    while True:
        with transaction.atomic():
            found = table.rows().filter(pk__gt=last).order_by("pk")
            batch = list(found.select_for_update(skip_locked=True, of=("self",))[:BATCH])
            for row in batch:
                if columns := table.lacks(row):
                    table.model._base_manager.filter(pk=row.pk).update(**columns)  # noqa: SLF001 - as above
                    signed += 1
        if not batch:
            return signed
        last = batch[-1].pk
