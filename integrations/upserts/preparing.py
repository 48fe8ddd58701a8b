"""Prepares an upsert: each row is checked, encrypted and stored, in one transaction. Nothing is sent.

A row that cannot be sent is stored as invalid with its reason, so the result file has a line for every row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db import transaction

from integrations.core import audit
from integrations.core.errors import BadRequest
from integrations.core.runs import current_run
from integrations.core.texts import storable
from integrations.tenants.models import App, Installation
from integrations.upserts import comparison, upsert_key
from integrations.upserts.comparison import RecordMatcher
from integrations.upserts.models import Upsert, UpsertRow
from integrations.upserts.row_calls import RowMapping, UnusableRow
from integrations.upserts.row_sources import SourceRow
from integrations.upserts.upsert_key import RowCipher

MOST_ROWS = 100_000
_BATCH = 1_000
_OPERATION, _VERSION, _NAME, _WORDS = 200, 20, 100, 300


def prepare(mapping: RowMapping, rows: Iterable[SourceRow], app: App, *, name: str, by: str, now: datetime) -> Upsert:
    """Store the rows as a draft.

    Raises BadRequest for none, for too many, for columns that no row has, and for a tenant without the app.
    """
    key = mapping.target.operation.key
    if len(key) > _OPERATION or len(mapping.version) > _VERSION:
        raise BadRequest(f"{key[:80]} is too long a name for an operation")
    installed = Installation.objects.installed().filter(app=app, user_type=mapping.tenant.user_type)
    if not installed.filter(resource_id=mapping.tenant.id).exists():
        raise BadRequest(f"{app} is not installed on {mapping.tenant}: `manage.py status` lists where it is")
    upsert = Upsert(
        app=app,
        level=mapping.tenant.user_type,
        tenant_id=mapping.tenant.id,
        operation=key,
        version=mapping.version,
        name=storable(name)[:_NAME],
        made_by=by[:160],
        made_in=current_run.name(),
        created_at=now,
    )
    cipher = upsert_key.make(upsert)
    with transaction.atomic():
        upsert.save()
        reader = _RowReader(upsert, mapping, cipher)
        stored = 0
        made = reader.read(rows, now)
        while batch := list(islice(made, _BATCH)):
            stored += len(UpsertRow.objects.bulk_create(batch))
            if stored > MOST_ROWS:
                raise BadRequest(f"an upsert has {MOST_ROWS:,} rows at most: split the file")
        if not stored:
            raise BadRequest("there are no rows")
        reader.check_columns()
        Upsert.objects.filter(pk=upsert.pk).update(fields=reader.fields)
        upsert.fields = reader.fields
        audit.record(
            "upsert.prepared",
            actor=by,
            subject=mapping.tenant.audit_subject,
            upsert=upsert.pk,
            operation=key,
            rows=stored,
        )
    return upsert


class _RowReader:
    """Makes the stored rows of one upsert, and remembers which records they are about."""

    def __init__(self, upsert: Upsert, mapping: RowMapping, cipher: RowCipher) -> None:
        self._upsert, self._mapping, self._cipher = upsert, mapping, cipher
        self._matcher = comparison.matcher_of(mapping.target)
        self._first: dict[str, int] = {}  # identity of a record, and the row that has it
        self._columns: dict[str, None] = {}

    @property
    def fields(self) -> list[str]:
        """The fields that the rows set."""
        return [storable(name)[:200] for name in self._mapping.fields_of(self._columns)]

    def check_columns(self) -> None:
        """Raise BadRequest for a column of the mapping that is in no row: a typing error would leave its field out."""
        wanted = set(self._mapping.columns.values())
        if missing := sorted(wanted - self._columns.keys()):
            have = ", ".join(sorted(self._columns)[:20])
            raise BadRequest(f"no row has the column {', '.join(missing)}: the columns are {have}")

    def read(self, rows: Iterable[SourceRow], now: datetime) -> Iterator[UpsertRow]:
        """The rows as they are stored."""
        for number, source in enumerate(rows, start=1):
            for column in source.cells:
                self._columns.setdefault(column)
            row = UpsertRow(upsert=self._upsert, number=number)
            try:
                row.body = self._encrypted(number, source)
            except UnusableRow as error:
                row.state, row.error_code, row.settled_at = UpsertRow.State.INVALID, "invalid", now
                row.error = str(error)[:_WORDS]
            yield row

    def _encrypted(self, number: int, source: SourceRow) -> str:
        content = self._mapping.content(source)
        if self._matcher is not None:
            self._check_identity(self._matcher, self._matcher.identity(content), number)
        return self._cipher.encrypted(number, content, may_be_sent=True)

    def _check_identity(self, matcher: RecordMatcher, identity: str, number: int) -> None:
        """The vendor would make a new record each time of one that it cannot find."""
        if not identity and matcher.by_person:
            raise UnusableRow("it has neither an e-mail address nor a telephone number to find the contact by")
        if identity and (first := self._first.setdefault(identity, number)) != number:
            raise UnusableRow(f"it is the same record as row {first:,}")


def rows_of(objects: Iterable[object]) -> Iterator[SourceRow]:
    """Rows that an app gives as objects."""
    for one in objects:
        if not isinstance(one, dict):
            yield SourceRow({}, is_text=False, trouble="it is no object")
            continue
        try:
            yield SourceRow(json.loads(json.dumps(one)), is_text=False)
        except (TypeError, ValueError, RecursionError):
            yield SourceRow({}, is_text=False, trouble="it is no JSON")
