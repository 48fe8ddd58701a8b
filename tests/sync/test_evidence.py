"""Dated evidence about one record: its order and repetition do not matter, whatever comes (hypothesis)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.sync import records
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.models import Record
from integrations.sync.resources import Change
from integrations.sync.resources.dates import iso
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
CREATED, UPDATED, DELETED, LISTED = "created", "updated", "deleted", "listed"
_ids = itertools.count()


@dataclass(frozen=True)
class Evidence:
    """What the vendor said: of which kind, at which moment (seconds), with which fields. A row has its own date too."""

    kind: str
    at: int
    fields: dict[str, Any]
    row_date: int = 0

    def give(self, app: App, record_id: str) -> None:
        at = START + timedelta(seconds=self.at)
        if self.kind == LISTED:
            changed = iso(START + timedelta(seconds=min(self.row_date, self.at)))
            row = {"id": record_id, "dateUpdated": changed, **self.fields}
            records.merge(app.pk, LOCATION, "contacts", [row], observed_at=at)
            return
        created_at = at if self.kind == CREATED else None
        change = Change(record_id, {"id": record_id, **self.fields}, at, Change.Kind(self.kind), created_at)
        records.apply(app.pk, LOCATION, "contacts", change)


SOME = st.lists(
    st.builds(
        Evidence,
        st.sampled_from([CREATED, UPDATED, DELETED, LISTED]),
        st.integers(0, 600),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=2),
        st.integers(0, 600),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda evidence: evidence.at,  # of equal dates the one that comes last counts
)


def truth(evidence: list[Evidence]) -> bool:
    """Whether the record exists: the rule once more, over all evidence at once."""
    lag = INDEX_LAG.total_seconds()
    lived = [one.at - (lag if one.kind == LISTED else 0) for one in evidence if one.kind in (CREATED, LISTED)]
    died = [one.at for one in evidence if one.kind == DELETED]
    return not died or max(lived, default=-lag - 1) > max(died)


def stored(app: App, evidence: list[Evidence]) -> Record:
    record_id = f"r{next(_ids)}"
    for one in evidence:
        one.give(app, record_id)
    return Record.objects.get(record_id=record_id)


@pytest.mark.slow
@given(evidence=SOME, data=st.data())
def test_order_and_repetition_do_not_matter(app: App, evidence: list[Evidence], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(evidence), max_size=3))
    other = data.draw(st.permutations(evidence + again))
    one, two = stored(app, evidence), stored(app, list(other))
    assert (one.deleted_at is None) == (two.deleted_at is None) == truth(evidence)
    assert (one.deleted_at, one.deleted_by) == (two.deleted_at, two.deleted_by)

    # A listing that was read after all of it ends every difference, unless the record was deleted since.
    last = Evidence(LISTED, 600 + int(INDEX_LAG.total_seconds()) + 1, {"a": "last"}, row_date=0)
    for record in (one, two):
        last.give(app, record.record_id)
        record.refresh_from_db()
        assert record.deleted_at is None
        assert record.payload == {"id": record.record_id, "dateUpdated": iso(START), "a": "last"}


@pytest.mark.slow
@given(evidence=SOME)
def test_what_is_given_twice_in_a_row_changes_nothing(app: App, evidence: list[Evidence]) -> None:
    record_id = f"r{next(_ids)}"
    for one in evidence:
        one.give(app, record_id)
        before = Record.objects.values().get(record_id=record_id)
        one.give(app, record_id)
        after = Record.objects.values().get(record_id=record_id)
        assert after == before
