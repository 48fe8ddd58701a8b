"""Orders, groups and cursors of a store, against a plain sort of the same rows."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from integrations.sandbox.data.row_store import RowStore, Sort


@dataclass(frozen=True)
class Pebble:
    id: str
    weight: int
    colour: str | None


WEIGHT_DOWN: Sort = (("weight", True),)
MIXED: Sort = (("colour", True), ("weight", False))


def store_of(count: int) -> RowStore[Pebble]:
    draw = random.Random(3)
    store: RowStore[Pebble] = RowStore()
    for number in range(count):
        store.add(Pebble(f"{number:04}", draw.randrange(20), draw.choice(("red", "blue", None))))
    return store


def ids(rows: object) -> list[str]:
    return [row.id for row in rows]  # type: ignore[attr-defined]


def test_rows_come_in_the_order_asked_for_with_ties_by_id() -> None:
    store = store_of(200)
    plain = sorted(store.values(), key=lambda row: (-row.weight, row.id))
    assert ids(store.in_order(WEIGHT_DOWN)) == ids(plain)


def test_columns_may_run_in_different_directions() -> None:
    store = store_of(200)
    plain = sorted(store.values(), key=lambda row: (row.weight, row.id))
    plain.sort(key=lambda row: row.colour or "", reverse=True)
    assert ids(store.in_order(MIXED)) == ids(plain)


@pytest.mark.parametrize("sort", [WEIGHT_DOWN, MIXED])
def test_a_cursor_continues_behind_its_row(sort: Sort) -> None:
    store = store_of(50)
    everything = list(store.in_order(sort))
    for position, row in enumerate(everything):
        cursor = [*(getattr(row, name) for name, _ in sort), row.id]
        assert ids(store.in_order(sort, after=cursor)) == ids(everything[position + 1 :])


def test_a_cursor_without_an_id_passes_over_all_ties() -> None:
    store = store_of(100)
    assert {row.weight for row in store.in_order(WEIGHT_DOWN, after=[7])} == set(range(7))


def test_a_cursor_stays_good_when_its_own_row_is_gone() -> None:
    store = store_of(50)
    rows = list(store.in_order(WEIGHT_DOWN))
    del store[rows[9].id]
    assert ids(store.in_order(WEIGHT_DOWN, after=[rows[9].weight, rows[9].id])) == ids(rows[10:])


def test_random_changes_keep_orders_and_groups_true() -> None:
    store, draw = store_of(60), random.Random(5)
    list(store.in_order(WEIGHT_DOWN)), store.where("colour", "red")
    for number in range(500):
        row = draw.choice(list(store.values()))
        if number % 3 == 0:
            store.add(Pebble(f"n{number}", draw.randrange(20), "green"))
        elif number % 3 == 1:
            store[row.id] = replace(row, weight=draw.randrange(20), colour=draw.choice(("red", None)))
        else:
            del store[row.id]
    rows = list(store.values())
    assert ids(store.in_order(WEIGHT_DOWN)) == ids(sorted(rows, key=lambda row: (-row.weight, row.id)))
    for colour in ("red", "blue", "green", None):
        assert sorted(ids(store.where("colour", colour))) == sorted(row.id for row in rows if row.colour == colour)


def test_skipping_leaves_out_the_first_rows() -> None:
    store = store_of(30)
    assert ids(store.in_order(WEIGHT_DOWN, skip=25)) == ids(store.in_order(WEIGHT_DOWN))[25:]


def test_an_unknown_id_is_a_key_error() -> None:
    store = store_of(1)
    with pytest.raises(KeyError):
        del store["none"]
