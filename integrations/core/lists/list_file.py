"""The rows of an admin list as a file, streamed: a cursor of the database gives them batch by batch, and none is kept.

A cursor needs a transaction. It also works through a pooler of transactions, because it ends with its transaction. A
reader who takes longer than `PATIENCE` for a batch ends the file, so that no transaction stays open for days.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from integrations.core import masking
from integrations.core.lists import spreadsheet
from integrations.core.lists.list_columns import ListColumn
from integrations.core.pages import tenant_links

CSV, JSON_LINES = "csv", "jsonl"
FORMS = {CSV: "CSV", JSON_LINES: "JSON Lines"}
TYPES = {CSV: "text/csv; charset=utf-8", JSON_LINES: "application/jsonl"}
BATCH = 500  # rows that are in memory at once
PATIENCE = 60  # seconds


def batches(page: Any, rows: QuerySet[Any], *, masked: bool) -> Generator[list[Any]]:
    """The rows in their order, ready to be read by columns. Ends its transaction when the reader stops."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE}s'")
        found: Iterator[Any] = iter(ModelIterable(rows, chunked_fetch=True, chunk_size=BATCH))
        while batch := list(islice(found, BATCH)):
            if isinstance(page, tenant_links.TenantColumn):
                known = tenant_links.known(page.tenant_id_of(row) for row in batch)
                for row in batch:
                    row.known_tenants = known
            if masked:
                for row in batch:
                    masking.columns(row, page.personal)
            yield batch


def lines(found: Generator[list[Any]], columns: Sequence[ListColumn], form: str) -> Generator[tuple[bytes, int]]:
    """Parts of the file, each with the number of its rows. CSV has a line of names first, JSON Lines has none."""
    write = spreadsheet.lines if form == CSV else _objects(columns)
    with closing(found):
        if form == CSV:
            yield "".join(write([[column.name for column in columns]])).encode(), 0
        for batch in found:
            values = [[column.read(row) for column in columns] for row in batch]
            yield "".join(write(values)).encode(errors="replace"), len(batch)


def _objects(columns: Sequence[ListColumn]) -> Callable[[Iterable[Sequence[Any]]], Iterator[str]]:
    return lambda rows: (_object(columns, row) for row in rows)


def _object(columns: Sequence[ListColumn], values: Sequence[Any]) -> str:
    row = {column.name: value for column, value in zip(columns, values, strict=True)}
    return json.dumps(row, ensure_ascii=False, cls=DjangoJSONEncoder) + "\n"
