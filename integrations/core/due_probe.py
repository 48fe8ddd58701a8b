"""One statement that says for all due sources at once which of them have due rows.

The dispatcher looks ten times a second, and most looks find nothing. Asked one by one, the sources take a dozen
statements each time, which Django writes anew: that was half the CPU of a worker process that leads. Their conditions
do not change, so they are written once, and PostgreSQL keeps the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet

from integrations.core import prepared

# The rows for which a look is worthwhile, at this time. No condition may depend on anything else that changes.
DueRows = Callable[[datetime], Sequence[QuerySet[Any]]]
_NOW = datetime(1, 1, 1, tzinfo=UTC)  # stands for the time of the look in the written statement


class DueProbe:
    """Asks which sources have due rows. `sources` maps their names to their due rows; `names` are these names."""

    def __init__(self, sources: Mapping[str, DueRows]) -> None:
        self.names = frozenset(sources)
        self._sources = sources
        self._statement = ""
        self._parameters: list[Any] = []

    def find(self, now: datetime) -> frozenset[str]:
        """The names of the sources that have due rows. Raises the database's errors, and those of a condition."""
        if not self.names:
            return frozenset()
        if not self._statement:
            self._statement = "SELECT " + ", ".join(map(self._are_due, self._sources.values()))
        with prepared.cursor() as cursor:
            cursor.execute(self._statement, [now if value == _NOW else value for value in self._parameters])
            answers = cursor.fetchone()
        return frozenset(name for name, is_due in zip(self._sources, answers, strict=True) if is_due)

    def _are_due(self, due_rows: DueRows) -> str:
        return " OR ".join(map(self._exists, due_rows(_NOW)))

    def _exists(self, rows: QuerySet[Any]) -> str:
        statement, parameters = rows.order_by().values("pk").query.sql_with_params()
        self._parameters += parameters
        return f"EXISTS ({statement})"
