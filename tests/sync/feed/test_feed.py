"""The change feed: what a consumer gets, in which order, and that it misses and repeats nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.sync import records
from integrations.sync.feed import change_feed
from integrations.sync.feed.change_feed import ChangeFeed
from integrations.sync.models import FeedPosition, Record
from integrations.sync.resources import Change
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION

UPSERT = """
INSERT INTO sync_record AS r (app_id, location_id, resource, record_id, payload, version_at, updated_at)
VALUES (%s, %s, 'contacts', %s, jsonb_build_object('n', %s::int), now(), now())
ON CONFLICT (app_id, location_id, resource, record_id)
DO UPDATE SET payload = EXCLUDED.payload, changed_in = EXCLUDED.changed_in
"""


def keep(app: App, *ids: str, **fields: Any) -> None:
    records.merge(app.pk, LOCATION, "contacts", [{"id": one, **fields} for one in ids])


def delete(app: App, one: str) -> None:
    records.apply(app.pk, LOCATION, "contacts", Change(one, {}, clock.now(), Change.Kind.DELETED))


def settle(number: int) -> None:
    """Let what this test's transaction has changed since be changes of a transaction that ended long ago."""
    mine = "= pg_current_xact_id()::text::bigint"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE sync_record SET added_in = %s WHERE added_in {mine}", [number])
        cursor.execute(f"UPDATE sync_record SET changed_in = %s WHERE changed_in {mine}", [number])


def taken(feed: ChangeFeed, most: int = 500) -> list[tuple[str, str]]:
    with feed.batch(most) as batch:
        return [(change.kind, change.id) for change in batch]


def test_a_consumer_gets_each_change_once(app: App) -> None:
    feed, other = ChangeFeed(app, "crm", "contacts"), ChangeFeed(app, "other", "contacts")
    keep(app, "a", "b", "c")
    settle(1)
    assert taken(feed, 2) == [("added", "a"), ("added", "b")]
    assert taken(feed, 2) == [("added", "c")]
    assert taken(feed) == []
    keep(app, "b", firstName="Bo")
    delete(app, "c")
    keep(app, "a")
    settle(2)
    assert taken(feed) == [("updated", "b"), ("deleted", "c")], "an unchanged row is no change"
    keep(app, "c", "d")
    records.apply(
        app.pk,
        LOCATION,
        "contacts",
        Change(
            "c",
            {"id": "c"},
            clock.now() + timedelta(minutes=9),
            Change.Kind.CREATED,
            clock.now() + timedelta(minutes=9),
        ),
    )
    settle(3)
    assert taken(feed) == [("added", "c"), ("added", "d")], "a record that came back is added"
    assert taken(other) == [("added", "a"), ("added", "b"), ("added", "c"), ("added", "d")]
    assert (feed.position.delivered, feed.position.batches) == (7, 4)
    feed.restart()
    assert len(taken(feed)) == 4


def test_what_failed_comes_again_and_what_was_acknowledged_does_not(app: App) -> None:
    feed = ChangeFeed(app, "crm", "contacts")
    keep(app, "a", "b")
    settle(1)
    with pytest.raises(ZeroDivisionError), feed.batch():
        _ = 1 / 0
    batch = feed.read(1)
    assert [change.id for change in batch] == ["a"]
    assert [change.id for change in feed.read(5, after=batch.until)] == ["b"]
    feed.acknowledge(batch)
    with pytest.raises(BadRequest, match="another reader"):
        feed.acknowledge(batch)
    assert taken(feed) == [("added", "b")]


def test_a_consumer_that_may_have_missed_deletions_restarts(app: App, settings: Any) -> None:
    feed = ChangeFeed(app, "crm", "contacts")
    keep(app, "a")
    settle(1)
    taken(feed)
    long_ago = clock.now() - timedelta(days=settings.TOMBSTONE_RETENTION_DAYS)
    FeedPosition.objects.update(read_at=long_ago)
    with pytest.raises(BadRequest, match="--restart"):
        feed.read()
    feed.restart()
    assert taken(feed) == [("added", "a")]


def test_rows_of_another_server_are_refused_until_consumers_begin_again(app: App) -> None:
    feed = ChangeFeed(app, "crm", "contacts")
    keep(app, "a")
    Record.objects.update(changed_in=2**60, added_in=2**60)
    with pytest.raises(BadRequest, match="--rebase"):
        feed.read()
    assert change_feed.rebase() == 1
    assert taken(feed) == [("added", "a")]


@pytest.mark.parametrize(("consumer", "resource"), [("", "contacts"), ("x" * 65, "contacts"), ("crm", "unknown")])
def test_a_feed_of_nothing_is_refused(app: App, consumer: str, resource: str) -> None:
    with pytest.raises(BadRequest):
        ChangeFeed(app, consumer, resource)


@contextmanager
def session() -> Iterator[psycopg.Connection[Any]]:
    """Another session, in a transaction that commits at its end."""
    parameters = {**connection.get_connection_params()}
    for name in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters) as other:
        yield other


@pytest.mark.django_db(transaction=True)
def test_no_change_is_missed_whatever_the_order_of_commits(app: App) -> None:
    feed, deadline = ChangeFeed(app, "crm", "contacts"), clock.monotonic() + 60
    with session() as early:
        early.execute("SELECT pg_current_xact_id()")
        with session() as late:
            late.execute(UPSERT, [app.pk, LOCATION, "late", 1])
        assert taken(feed) == [], "a transaction with a lower id is in progress, and may yet write"
        early.execute(UPSERT, [app.pk, LOCATION, "early", 1])
        early.execute(UPSERT, [app.pk, LOCATION, "late", 2])
    found: list[tuple[str, str]] = []
    while len(found) < 2 and clock.monotonic() < deadline:  # transactions of other tests hold the feed back
        found += taken(feed)
    assert found == [("added", "late"), ("added", "early")], "both are of the lower transaction now"
    assert taken(feed) == []
    _write_at_once(app, feed, deadline)


def _write_at_once(app: App, feed: ChangeFeed, deadline: float) -> None:
    """Three writers with transactions of many lengths, and a consumer that keeps the last state it was told."""

    def write(seed: int) -> None:
        for number in range(30):
            with session() as other:
                for step in range(1 + (seed * number) % 4):
                    other.execute(UPSERT, [app.pk, LOCATION, f"c{(number + step) % 7 + 10 * seed}", number])

    known: dict[str, Any] = {}
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for one in writers:
        one.start()
    places, mine = [], None
    while mine != known and clock.monotonic() < deadline:
        with feed.batch(5) as batch:
            known |= {change.id: change.fields for change in batch}
            places += [change.place for change in batch]
        if not any(one.is_alive() for one in writers):
            written = Record.objects.exclude(record_id__in=["early", "late"])
            mine = dict(written.values_list("record_id", "payload"))
    assert known == mine
    assert places == sorted(set(places)), "each once, in order"
