"""Rotation beside refreshes, broken values and other rotations: every token opens at every moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from django.db import connection

from integrations.core import clock
from integrations.core.errors import SealBroken
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.tenants import marketplace
from integrations.tokens import seals, store
from integrations.tokens.models import Credential
from integrations.vault import columns, keys, rotation, sealed_counts
from integrations.vault.seal import Binding, key_id_of, seal
from tests.support.own_sleep import replace_sleep
from tests.support.waiting import TIMEOUT
from tests.vault.conftest import grant, make_app, make_rows, tokens


def run(batch: int = 7) -> rotation.RotationResult:
    return rotation.run(actor="test", watcher=rotation.Watcher(), batch=batch)


def test_everything_stands_under_the_newest_key_and_opens(app, ring) -> None:
    rows = make_rows(app, 10)
    ring("k2", "k1")
    assert rotation.stale() == 22
    outcome = run()
    assert (outcome.resealed, outcome.busy, outcome.broken) == (22, 0, [])
    assert sealed_counts.count().by_key == {"k2": 22}
    ring("k2")
    assert [tokens(row) for row in rows] == [(f"access-loc{n}", f"refresh-loc{n}") for n in range(10)]
    app.refresh_from_db()
    assert marketplace.identity(app).client_secret == Secret("client-secret-text")
    assert marketplace.shared_secret(app) == Secret("shared-text")


def test_a_second_run_finds_nothing(app, ring) -> None:
    make_rows(app, 2)
    ring("k2", "k1")
    run()
    before = dict(Credential.objects.values_list("pk", "access_sealed"))
    assert run().resealed == 0
    assert dict(Credential.objects.values_list("pk", "access_sealed")) == before


def test_empty_columns_stay_empty(app, ring) -> None:
    row = make_rows(app, 1)[0]
    Credential.objects.filter(pk=row.pk).update(refresh_sealed=None)
    ring("k2", "k1")
    run()
    row.refresh_from_db()
    assert row.refresh_sealed is None


def test_it_leaves_an_entry_at_start_and_end(app, ring) -> None:
    make_rows(app, 2)
    ring("k2", "k1")
    run()
    entries = {entry.action: entry for entry in AuditEntry.objects.filter(action__startswith="vault.")}
    assert set(entries) == {"vault.rotation_started", "vault.rotation_finished"}
    assert entries["vault.rotation_finished"].detail == {"resealed": 6, "busy": 0, "broken": 0}
    assert entries["vault.rotation_finished"].subject == "key:k2"


def test_a_batch_costs_one_read_and_one_write_whatever_its_size(app, ring, django_assert_num_queries) -> None:
    make_rows(app, 20)
    ring("k2", "k1")
    found = keys.ring()
    # Two tables of one batch, each read and then found empty, and empty ones; the writes go past Django's cursor.
    with django_assert_num_queries(len(columns.by_table()) + 2):
        assert rotation.rotate(found, watcher=rotation.Watcher(), batch=50).resealed == 42


def test_what_does_not_open_is_named_and_the_rest_goes_on(app, ring) -> None:
    rows = make_rows(app, 6)
    blob = bytes(rows[2].access_sealed)
    Credential.objects.filter(pk=rows[1].pk).update(access_sealed=blob)  # moved from another row
    Credential.objects.filter(pk=rows[3].pk).update(refresh_sealed=b"\x07garbage")
    ring("k2", "k1")
    outcome = run(batch=2)
    assert {(broken.column, broken.row, broken.owner) for broken in outcome.broken} == {
        ("tokens.Credential.access_sealed", str(rows[1].pk), f"credential:{app.pk}:Location:loc1"),
        ("tokens.Credential.refresh_sealed", str(rows[3].pk), f"credential:{app.pk}:Location:loc3"),
    }
    assert outcome.resealed == 12
    rows[1].refresh_from_db()
    assert bytes(rows[1].access_sealed) == blob, "what does not open is left as it is"


def test_a_value_of_a_missing_key_is_named(app, ring) -> None:
    ring("k0", "k1")
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    outcome = run()
    assert outcome.resealed == 2
    assert {broken.row for broken in outcome.broken} == {str(row.pk)}
    assert all("no key 'k0'" in broken.reason for broken in outcome.broken)


def test_a_row_written_in_between_is_left_alone(app, ring) -> None:
    """The blob is read, then a refresh swaps the pair, then the rotation comes with its re-sealed old pair."""
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    own, made = read_and_resealed()
    store.replace_token_pair(Credential.objects.get(pk=row.pk), grant("newer"), now=clock.now())
    assert rotation._swap(own, made) == 0
    assert tokens(row) == ("access-newer", "refresh-newer")


def test_of_a_row_only_the_unchanged_value_is_swapped(app, ring) -> None:
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    own, made = read_and_resealed()
    newer = seals.sealed(row, seals.REFRESH, Secret("newer"), row.generation)
    Credential.objects.filter(pk=row.pk).update(refresh_sealed=newer)
    assert rotation._swap(own, made) == 1
    row.refresh_from_db()
    assert (bytes(row.access_sealed), bytes(row.refresh_sealed)) == (made[0].pairs[0][1], newer)
    assert tokens(row) == ("access-loc0", "newer")


def test_of_a_row_only_the_stale_value_is_written(app, ring) -> None:
    row = make_rows(app, 1)[0]
    ring("k2", "k1")
    newest = seals.sealed(row, seals.ACCESS, Secret("newest"), row.generation)
    Credential.objects.filter(pk=row.pk).update(access_sealed=newest)
    own, made = read_and_resealed()
    assert [one.values for one in made] == [1]
    assert rotation._swap(own, made) == 1
    row.refresh_from_db()
    assert bytes(row.access_sealed) == newest
    assert tokens(row) == ("newest", "refresh-loc0")


def read_and_resealed() -> tuple[list[columns.SealedColumn], list[rotation.Resealed]]:
    """The sealed columns of credentials, and all stale rows as a rotation is going to write them."""
    own = [column for column in columns.registered() if column.model is Credential]
    rows = columns.stale_rows(own, "k2").order_by("pk")
    reseal = rotation._reseal
    return own, [rotation.Resealed(row.pk, [reseal(one, keys.ring(), row, []) for one in own]) for row in rows]


@contextmanager
def held(row: Credential) -> Iterator[None]:
    """Somebody else is writing this row."""
    names = ("dbname", "host", "port", "user", "password")
    parameters = {name: value for name, value in connection.get_connection_params().items() if name in names}
    with psycopg.connect(**parameters) as other, other.transaction():
        other.execute("SELECT FROM tokens_credential WHERE id = %s FOR UPDATE", [row.pk])
        yield


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_no_lock_and_comes_back(app, ring, monkeypatch) -> None:
    rows = make_rows(app, 4)
    ring("k2", "k1")
    release = threading.Event()
    taken = threading.Event()

    def hold() -> None:
        with held(rows[1]):
            taken.set()
            release.wait(TIMEOUT)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(TIMEOUT)
    busy: list[int] = []

    def pause(_: float) -> None:
        busy.append(sealed_counts.count().by_key["k1"])
        release.set()
        thread.join()

    replace_sleep(monkeypatch, pause)
    outcome = run()
    assert busy == [2], "both values of the held row were passed over, all others re-sealed"
    assert (outcome.resealed, outcome.busy) == (10, 0)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_held_for_good_ends_the_run_and_is_counted(app, ring, monkeypatch) -> None:
    row = make_rows(app, 2)[0]
    ring("k2", "k1")
    replace_sleep(monkeypatch)
    with held(row):
        outcome = run()
    assert (outcome.resealed, outcome.busy) == (4, 2)
    assert run().resealed == 2


class Refresher(threading.Thread):
    """Swaps pairs of random rows by compare and set, as refreshes do, and opens what it reads each time."""

    def __init__(self, seed: int, stop: threading.Event) -> None:
        super().__init__()
        self.random, self.stop = random.Random(seed), stop
        self.swaps: dict[int, dict[int, str]] = {}
        self.failures: list[BaseException] = []

    def run(self) -> None:
        try:
            ids = list(Credential.objects.values_list("pk", flat=True))
            while not self.stop.is_set():
                self.once(self.random.choice(ids))
        except BaseException as error:
            self.failures.append(error)
        finally:
            connection.close()

    def once(self, pk: int) -> None:
        row = Credential.objects.get(pk=pk)
        seals.access_token(row)
        seals.refresh_token(row)
        text, generation = f"{self.name}-{self.random.random()}", row.generation + 1
        if store.replace_token_pair(row, grant(text), now=clock.now()):
            self.swaps.setdefault(pk, {})[generation] = text


def swapped(threads: list[Refresher]) -> int:
    return sum(len(history) for thread in threads for history in list(thread.swaps.values()))


@pytest.mark.django_db(transaction=True)
def test_beside_four_refreshers_no_pair_is_lost(app, ring) -> None:
    rows = make_rows(app, 60)
    before = {row.pk: f"loc{number}" for number, row in enumerate(rows)}
    stop = threading.Event()
    threads = [Refresher(seed, stop) for seed in range(4)]
    for thread in threads:
        thread.start()
    newest = "k1"
    rounds = 0
    while (rounds < 4 or swapped(threads) <= 40) and not any(thread.failures for thread in threads):
        rounds += 1
        # To and fro: the ring always has both, so every process could open everything all the time.
        newest = "k2" if newest == "k1" else "k1"
        ring(newest, "k1" if newest == "k2" else "k2")
        outcome = run(batch=9)
        assert outcome.broken == []
    stop.set()
    for thread in threads:
        thread.join()
    assert [thread.failures for thread in threads] == [[], [], [], []]
    run()
    assert set(sealed_counts.count().by_key) == {newest}
    swaps = 0
    for row in Credential.objects.all():
        history = {generation: text for t in threads for generation, text in t.swaps.get(row.pk, {}).items()}
        swaps += len(history)
        expected = history.get(row.generation, before[row.pk])
        assert tokens(row) == (f"access-{expected}", f"refresh-{expected}")
        assert row.generation == 1 + len(history), "no swap was undone by a re-sealing"
    assert swaps > 20


@pytest.mark.django_db(transaction=True)
def test_two_rotations_share_the_work(app, ring) -> None:
    make_rows(app, 40)
    ring("k2", "k1")
    keys.ring()
    outcomes: list[rotation.RotationResult] = []

    def work() -> None:
        outcomes.append(run(batch=5))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.broken for outcome in outcomes] == [[], [], []]
    assert sum(outcome.resealed for outcome in outcomes) == 82
    assert sealed_counts.count().by_key == {"k2": 82}


def test_a_blob_opens_in_no_other_row_field_or_generation(app, ring) -> None:
    """Every blob of real rows against every column it could be moved to."""
    rows = make_rows(app, 3)
    other = make_app("77a0419a0dffa47fb5f8b22f-other")
    rows.append(store.save_grant(store.location(other, "loc0"), grant("other"), now=clock.now()))
    rows.append(store.save_grant(store.company(app, "loc0"), grant("company"), now=clock.now()))
    older = Credential.objects.get(pk=rows[0].pk)
    assert store.replace_token_pair(Credential.objects.get(pk=older.pk), grant("newer"), now=clock.now())
    rows.append(Credential.objects.get(pk=older.pk))
    rows[0] = older  # the same row, one generation before
    openers = {"access_sealed": seals.access_token, "refresh_sealed": seals.refresh_token}
    places = [(row, column) for row in rows for column in openers]
    opened = 0
    for home, home_column in places:
        blob = bytes(getattr(home, home_column))
        for row, column in places:
            moved = Credential(
                app_id=row.app_id, user_type=row.user_type, resource_id=row.resource_id, generation=row.generation
            )
            setattr(moved, column, blob)
            if (row, column) == (home, home_column) and row.generation == home.generation:
                openers[column](moved)
                opened += 1
            else:
                with pytest.raises(SealBroken):
                    openers[column](moved)
    assert opened == len(places) == 12


def test_a_secret_of_an_app_opens_in_no_other_app_or_field(app, ring) -> None:
    other = make_app("77a0419a0dffa47fb5f8b22f-other")
    other.client_secret_sealed, other.shared_secret_sealed = app.client_secret_sealed, app.client_secret_sealed
    for opener in (marketplace.identity, marketplace.shared_secret):
        with pytest.raises(SealBroken):
            opener(other)
    app.shared_secret_sealed = app.client_secret_sealed
    with pytest.raises(SealBroken):
        marketplace.shared_secret(app)


def test_the_database_reads_key_ids_as_we_do(app, ring) -> None:
    names = ["a", "k1", "x" * 32, "A.b_c-9"]
    *rows, damaged = make_rows(app, len(names) + 1)
    ring(*names)
    for row, name in zip(rows, names, strict=True):
        ring(name, *(other for other in names if other != name))
        blob = seal(Secret("x" * 5000), Binding(owner=row.owner, field="access_token", generation=row.generation))
        assert key_id_of(blob) == name
        Credential.objects.filter(pk=row.pk).update(access_sealed=blob, refresh_sealed=b"")
    Credential.objects.filter(pk=damaged.pk).update(access_sealed=b"\3\1a" + bytes(40), refresh_sealed=b"\1")
    counts = sealed_counts.count().by_column
    assert counts["tokens.Credential.access_sealed"] == {**dict.fromkeys(names, 1), sealed_counts.DAMAGED: 1}
    assert counts["tokens.Credential.refresh_sealed"] == {sealed_counts.DAMAGED: 5}


@pytest.mark.parametrize(
    ("blob", "is_sent", "is_stale"),
    [
        (b"\x02\x02k2\x00\x01a" + bytes(40), True, False),
        (b"\x01\x02k2" + bytes(40), True, True),
        (b"\x01\x02k2" + bytes(40), False, False),
        (b"\x02\x02k2\x00\x01a" + bytes(40), False, False),
        (b"\x02\x02k1\x00\x01a" + bytes(40), True, True),
        (b"\x02\x03k22\x00\x01a" + bytes(40), True, True),
        (b"\x02\x01k2\x00\x01a" + bytes(40), True, True),
        (b"\x03\x02k2" + bytes(40), False, True),
        (b"\x02\x02k", False, True),
        (b"", False, True),
        (None, False, False),
    ],
)
def test_the_database_knows_stale_values_as_we_do(app, ring, blob, is_sent, is_stale) -> None:
    row = make_rows(app, 1)[0]
    Credential.objects.filter(pk=row.pk).update(access_sealed=blob)
    row.refresh_from_db()
    registered = next(one for one in columns.registered() if one.label == "tokens.Credential.access_sealed")
    column = replace(registered, is_sent=is_sent)
    assert column.is_stale(row, "k2") is is_stale
    assert columns.stale_rows([column], "k2").exists() is is_stale
