"""Signs stored rows as they are found: those of the release before, and those that a person vouches for.

Each room with MACs over rows registers its tables. During the transition (`vault.row_macs`) a task signs what lacks its
MAC, such as the schedule of a monthly job that no process touches for weeks. Afterwards only a person does that:
`manage.py vault sign`, for rows that were changed by SQL on purpose, or after the key of the MACs was lost.

The task then counts those that do not fit, for `doctor` and the dashboard. Each room holds them by itself, whether they
are counted or not. Who does not want to vouch for such a row discards it: on its page (`vault.misfit_admin`) or with
`manage.py vault discard`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Model, QuerySet

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.vault import row_macs
from integrations.vault.models import RowMacKey

log = structlog.get_logger(__name__)

BATCH = 200
LOOKED_AT = 50_000  # rows of a table, the latest


@dataclass(frozen=True, slots=True)
class SignedTable:
    """A table whose rows are signed.

    `rows`: those on which workers may act. `lacks`: the columns to write so that a row fits as it is; empty when it
    does. `fits`, where a row that lacks something may be of this application all the same. `counted`: those of the rows
    that are looked at for misfits, if not all. `loaded` adds to rows what these functions read. `discarded` puts rows
    away that do not fit, for an operator of this name, where a deletion would not leave what counts now.
    """

    model: type[Model]
    rows: Callable[[], QuerySet[Any]]
    lacks: Callable[[Any], dict[str, Any]]
    fits: Callable[[Any], bool] | None = None
    counted: Callable[[], QuerySet[Any]] | None = None
    loaded: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda rows: rows
    discarded: Callable[[Sequence[Any], str], None] | None = None

    @property
    def label(self) -> str:
        """`app.Model`, for reports."""
        return self.model._meta.label  # noqa: SLF001 - documented by Django

    def looked_at(self) -> QuerySet[Any]:
        """The rows that are held when they do not fit."""
        return self.loaded((self.counted or self.rows)())

    def is_ours(self, row: Any) -> bool:
        """Whether such a row fits its MAC."""
        return self.fits(row) if self.fits else not self.lacks(row)


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


def examine() -> Counter[str]:
    """Look for rows that do not fit their MAC, and note how many, for pages. Nothing during the transition."""
    if row_macs.trusted_until() is not None:
        return Counter()
    found = misfits()
    RowMacKey.objects.update(misfits=dict(found), examined_at=clock.now())
    if found:
        log.error("vault.rows_not_ours", rows=dict(found))
    return found


def misfits() -> Counter[str]:
    """How many of the latest `LOOKED_AT` rows of each table do not fit their MAC. Reads all of these rows."""
    return +Counter({label: sum(1 for _ in rows) for label, rows in misfit_rows().items()})


def misfit_rows() -> dict[str, Iterator[Any]]:
    """Those rows by table, where there are signed ones."""
    return {label: _misfits(table) for label, table in _registered.items()}


def misfits_of(label: str) -> Iterator[Any]:
    """Those of the latest `LOOKED_AT` rows of a table that do not fit, the newest first. Raises BadRequest."""
    return _misfits(named(label))


def is_ours(row: Model) -> bool:
    """Whether a row fits its MAC, or is one on which no worker acts. It is read again, because a page may have masked
    it.

    Nothing is refused during the transition.
    """
    if row_macs.trusted_until() is not None:
        return True
    table = named(row._meta.label)  # noqa: SLF001 - as above
    found = table.looked_at().filter(pk=row.pk).first()
    return found is None or table.is_ours(found)


def discard(label: str, keys: Sequence[Any], *, actor: str, reason: str = "") -> list[Any]:
    """Put those of the rows with these keys away that do not fit; their keys. Writes an audit entry for each batch.

    Nothing during the transition, which refuses no row. Raises BadRequest for a table that is not signed.
    """
    table, gone = named(label), list[Any]()
    if row_macs.trusted_until() is not None:
        return gone
    for start in range(0, len(keys), BATCH):
        gone += _discard(table, keys[start : start + BATCH], actor, reason)
    return gone


def named(label: str) -> SignedTable:
    """The table with this label. Raises BadRequest when there is none."""
    if label not in _registered:
        raise BadRequest(f"{label} has no signed rows; these have: {', '.join(sorted(_registered))}")
    return _registered[label]


def _discard(table: SignedTable, keys: Sequence[Any], actor: str, reason: str) -> list[Any]:
    with transaction.atomic():
        audit.lock()
        rows = table.looked_at().filter(pk__in=keys).order_by("pk").select_for_update(of=("self",))
        theirs = [row for row in rows if not table.is_ours(row)]
        gone = [row.pk for row in theirs]
        if gone:
            if table.discarded:
                table.discarded(theirs, actor)
            else:
                table.model._base_manager.filter(pk__in=gone).delete()  # noqa: SLF001 - as above
            audit.record("vault.rows_discarded", actor=actor, subject=table.label, rows=gone, reason=reason)
    return gone


def _misfits(table: SignedTable) -> Iterator[Any]:
    latest = table.looked_at().order_by("-pk")[:LOOKED_AT]
    return (row for row in latest.iterator(BATCH) if not table.is_ours(row))


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
            found = table.loaded(table.rows().filter(pk__gt=last)).order_by("pk")
            batch = list(found.select_for_update(skip_locked=True, of=("self",))[:BATCH])
            for row in batch:
                if columns := table.lacks(row):
                    table.model._base_manager.filter(pk=row.pk).update(**columns)  # noqa: SLF001 - as above
                    signed += 1
        if not batch:
            return signed
        last = batch[-1].pk
