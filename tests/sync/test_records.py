"""Which version wins, and that no row can cost a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.sync import records
from integrations.sync.models import Record
from integrations.sync.records import Merged
from integrations.sync.resources import Change
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION, alive

pytestmark = pytest.mark.servers
Kind = Change.Kind
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def row(record_id: str, minute: int = 0, **fields: Any) -> dict[str, Any]:
    return {"id": record_id, "dateUpdated": f"2026-11-01T12:{minute:02}:00.000Z", **fields}


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def merge(app: App, *rows: Any, **options: Any) -> Merged:
    return records.merge(app.pk, LOCATION, "contacts", rows, **options)


def stored(record_id: str = "a") -> Record:
    return Record.objects.get(record_id=record_id)


def change(minute: int, kind: Kind = Kind.UPDATED, **payload: Any) -> Change:
    created_at = at(minute) if kind is Kind.CREATED else None
    return Change("a", {"id": "a", **payload}, at(minute), kind, created_at)


def apply(app: App, minute: int, kind: Kind = Kind.UPDATED, **payload: Any) -> bool:
    return records.apply(app.pk, LOCATION, "contacts", change(minute, kind, **payload))


def test_a_page_is_stored_and_counted(app: App) -> None:
    assert merge(app, row("a"), row("b")) == Merged(inserted=2, updated=0, unchanged=0, skipped=0)
    assert merge(app, row("a"), row("b", 1, email="b@example.com")) == Merged(0, 1, 1, 0)
    assert stored("b").payload["email"] == "b@example.com"
    assert stored("b").version_at == at(1)


def test_an_unchanged_row_is_not_written_again(app: App) -> None:
    merge(app, row("a"))
    before = Record.objects.values("updated_at").get()
    assert merge(app, row("a")).unchanged == 1
    assert Record.objects.values("updated_at").get() == before


def test_an_older_version_never_overwrites_a_newer_one(app: App) -> None:
    merge(app, row("a", 5, name="new"))
    assert merge(app, row("a", 4, name="old")).unchanged == 1
    assert stored().payload["name"] == "new"
    assert stored().version_at == at(5)


def test_an_older_version_still_counts_as_seen(app: App) -> None:
    merge(app, row("a", 5, name="new"))
    merge(app, row("a", 4, name="old"), run_id=77)
    assert (stored().seen_run, stored().payload["name"]) == (77, "new")


def test_a_run_that_only_looks_for_changes_marks_nothing(app: App) -> None:
    merge(app, row("a"), run_id=77)
    merge(app, row("a", 1))
    assert stored().seen_run == 77


def test_of_duplicates_in_a_page_the_newest_is_taken(app: App) -> None:
    merged = merge(app, row("a", 2, n="newest"), row("a", 1, n="old"), row("b"))
    assert merged == Merged(inserted=2, updated=0, unchanged=1, skipped=0)
    assert stored().payload["n"] == "newest"


def test_of_equal_duplicates_the_last_is_taken(app: App) -> None:
    merge(app, row("a", 2, n=1), row("a", 2, n=2))
    assert stored().payload["n"] == 2


@pytest.mark.parametrize(
    "bad", [{}, {"id": ""}, {"id": None}, {"id": 7}, {"id": "x" * 65}, {"id": "nul\x00"}, "text", None, 5, []]
)
def test_a_row_without_a_usable_id_is_counted_and_skipped(app: App, bad: Any) -> None:
    assert merge(app, row("a"), bad, row("b")) == Merged(inserted=2, updated=0, unchanged=0, skipped=1)


def test_what_postgresql_refuses_is_cleaned(app: App) -> None:
    nasty = {"nul\x00": "a\x00b", "half": "\ud800", "deep": [{"x": "\x00"}], "far": float("inf"), "fine": "\\u0000 🦊"}
    assert merge(app, row("a", **nasty), row("b")).inserted == 2
    payload = stored().payload
    assert payload["nul\ufffd"] == "a\ufffdb"
    assert payload["half"] == "\ufffd"
    assert payload["deep"] == [{"x": "\ufffd"}]
    assert payload["far"] is None
    assert payload["fine"] == "\\u0000 🦊"


def test_copy_takes_tabs_newlines_and_backslashes(app: App) -> None:
    text = 'tab\t newline\n return\r back\\slash \\N "quoted" \\.'
    merge(app, row("a", text=text))
    assert stored().payload["text"] == text


def test_an_empty_page_is_nothing(app: App) -> None:
    assert merge(app) == Merged(0, 0, 0, 0)


def test_two_pages_in_one_transaction_do_not_mix(app: App) -> None:
    merge(app, row("a"))
    assert merge(app, row("b")).inserted == 1
    assert alive() == {"a", "b"}


def test_tenants_and_resources_are_apart(app: App) -> None:
    merge(app, row("a", n=1))
    records.merge(app.pk, "elsewhere", "contacts", [row("a", 9, n=2)])
    records.merge(app.pk, LOCATION, "opportunities", [row("a", 9, n=3)])
    assert Record.objects.get(location_id=LOCATION, resource="contacts").payload["n"] == 1


def test_a_row_without_a_date_has_that_of_its_listing(app: App) -> None:
    merge(app, {"id": "a", "n": 1}, observed_at=at(3))
    assert stored().version_at == at(3) - records.INDEX_LAG, "what changed later may not be in it yet"


def test_a_date_from_the_future_does_not_keep_later_changes_out(app: App) -> None:
    merge(app, {"id": "a", "dateUpdated": "2999-01-01T00:00:00Z"}, observed_at=at(3))
    assert stored().version_at < at(10)


# --- webhooks over rows ---------------------------------------------------------------------------------------


def test_a_newer_webhook_is_laid_over_the_stored_payload(app: App) -> None:
    merge(app, row("a", 1, name="old", city="Rome"))
    assert apply(app, 2, name="new")
    assert stored().payload == {**row("a", 1, city="Rome"), "name": "new"}
    assert stored().version_at == at(2)


def test_an_older_webhook_changes_nothing(app: App) -> None:
    merge(app, row("a", 3, name="newer"))
    assert not apply(app, 2, name="older")
    assert stored().payload["name"] == "newer"


def test_a_webhook_for_an_unknown_record_stores_what_it_has(app: App) -> None:
    assert apply(app, 2, name="n")
    assert stored().payload == {"id": "a", "name": "n"}


def test_the_page_on_its_way_does_not_undo_a_webhook(app: App) -> None:
    apply(app, 10, name="new")
    merge(app, row("a", 1, name="old"), observed_at=at(10))
    assert stored().payload["name"] == "new"


def test_a_listing_seen_well_after_a_webhook_is_the_truth(app: App) -> None:
    """The webhook leaves out what was emptied, and its moment is a little after the change's own."""
    merge(app, row("a", 0, phone="+1202"))
    apply(app, 1, name="n")
    changed = {"id": "a", "dateUpdated": "2026-11-01T12:00:59.800Z", "name": "n", "phone": None}
    merge(app, changed, observed_at=at(1))
    assert stored().payload["phone"] == "+1202"
    merge(app, changed, observed_at=at(3))
    assert stored().payload["phone"] is None


# --- deletions -------------------------------------------------------------------------------------------------


def test_a_deletion_leaves_a_tombstone(app: App) -> None:
    merge(app, row("a", 1))
    assert apply(app, 2, Kind.DELETED)
    assert stored().deleted_at == at(2)
    assert not alive()


def test_a_deletion_older_than_a_listing_is_ignored(app: App) -> None:
    merge(app, row("a", 1), observed_at=at(4))
    assert not apply(app, 2, Kind.DELETED)
    assert alive() == {"a"}


def test_an_older_row_does_not_raise_a_tombstone(app: App) -> None:
    merge(app, row("a", 1))
    apply(app, 5, Kind.DELETED)
    assert merge(app, row("a", 4, n=1), observed_at=at(5)).updated == 0
    assert not alive()


def test_a_deletion_before_its_page_keeps_the_page_from_bringing_it_back(app: App) -> None:
    apply(app, 5, Kind.DELETED)
    merge(app, row("a", 1), observed_at=at(5))
    assert not alive()


def test_a_creation_after_the_deletion_brings_the_record_back(app: App) -> None:
    merge(app, row("a", 1, old=True))
    apply(app, 2, Kind.DELETED)
    assert apply(app, 3, Kind.CREATED, n=1)
    assert stored().payload == {"id": "a", "n": 1}, "what was there before the deletion is not mixed in"
    assert alive() == {"a"}


def test_an_update_after_the_deletion_does_not(app: App) -> None:
    merge(app, row("a", 1), observed_at=at(1))
    apply(app, 5, Kind.DELETED)
    assert not apply(app, 9, n=1)
    assert merge(app, row("a", 6), observed_at=at(5)).updated == 0, "nor does a page that was on its way"
    assert (stored().deleted_at, stored().deleted_by) == (at(5), "event")


def test_a_late_deletion_counts_though_an_update_came_before_it(app: App) -> None:
    merge(app, row("a", 1), observed_at=at(1))
    apply(app, 9, n=1)
    assert apply(app, 5, Kind.DELETED)
    assert not alive()


def test_a_listing_seen_well_after_a_deletion_raises_the_record(app: App) -> None:
    """A deletion that was inferred wrongly would otherwise last for ever."""
    merge(app, row("a", 1))
    apply(app, 5, Kind.DELETED)
    assert merge(app, row("a", 1), observed_at=at(7)).updated == 1
    assert alive() == {"a"}


def test_now_is_the_moment_of_writing(app: App) -> None:
    before = clock.now()
    merge(app, row("a"))
    assert before <= stored().updated_at <= clock.now()


# --- repair ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["version_at", "deleted_at", "alive_at"])
def test_a_repair_is_not_kept_out_by_a_wrong_date(app: App, column: str) -> None:
    merge(app, row("a", 1, n="wrong"), observed_at=at(1))
    proof = {"deleted_by": "event"} if column == "deleted_at" else {}
    Record.objects.update(**{column: at(10_000)}, **proof, updated_at=at(1))
    right = row("a", 1, n="right")
    merge(app, right, observed_at=at(20))
    assert stored().payload != right or not alive(), "a full run believes the date"
    merge(app, right, observed_at=at(20), repair=True)
    assert (stored().payload, alive()) == (right, {"a"})


def test_a_repair_does_not_undo_a_webhook_that_came_meanwhile(app: App) -> None:
    merge(app, row("a", 1, n="old"), observed_at=at(1))
    asked_at = clock.now()
    records.apply(app.pk, LOCATION, "contacts", Change("a", {"id": "a", "n": "new"}, asked_at, Kind.UPDATED))
    merge(app, row("a", 1, n="old"), observed_at=asked_at, repair=True)
    assert stored().payload["n"] == "new"
