"""Buffered counters: every addition is written once, whatever the database does, and memory stays bounded."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence

import pytest
from django.db import DataError, OperationalError, transaction

from integrations.core.counters import BufferedCounter

pytestmark = pytest.mark.django_db(transaction=True)


class Table:
    """What was written, and what goes wrong with the next writes."""

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()
        self.batches: list[list[str]] = []
        self.away = False
        self.refused: set[str] = set()

    def write(self, rows: Sequence[tuple[str, int]]) -> None:
        if self.away:
            raise OperationalError("away")
        if any(key in self.refused for key, _ in rows):
            raise DataError("too long")
        self.batches.append([key for key, _ in rows])
        self.sums.update(dict(rows))


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def counter(table: Table) -> BufferedCounter[str, int]:
    counter = BufferedCounter[str, int]("tests", table.write, most=10)
    counter.reset()
    return counter


Counted = BufferedCounter[str, int]


def test_additions_are_written_together_in_the_keys_order(counter: Counted, table: Table) -> None:
    for key in "baab":
        counter.add(key, 1)
    counter.flush()
    assert (table.sums, table.batches) == ({"a": 2, "b": 2}, [["a", "b"]])
    counter.flush()
    assert len(table.batches) == 1


def test_the_first_addition_of_a_process_is_due_and_then_the_pause_counts(table: Table) -> None:
    counter = BufferedCounter[str, int]("tests", table.write, most=10)
    for _ in range(2):
        counter.add("a", 1)
        counter.flush_if_due()
    assert table.sums == {"a": 1}
    counter.pause = 0.0
    counter.flush_if_due()
    assert table.sums == {"a": 2}


def test_half_a_buffer_is_due_at_once_unless_the_database_is_away(counter: Counted, table: Table) -> None:
    for number in range(4):
        counter.add(str(number), 1)
    assert not counter.is_due()
    counter.add("4", 1)
    assert counter.is_due()
    table.away = True
    counter.flush_if_due()
    assert not counter.is_due(), "the pause has to be over first"


def test_nothing_is_lost_while_the_database_is_away(counter: Counted, table: Table) -> None:
    counter.add("a", 1)
    table.away = True
    counter.flush()
    counter.add("a", 1)
    counter.add("b", 1)
    counter.flush()
    table.away = False
    counter.flush()
    assert table.sums == {"a": 2, "b": 1}


def test_what_is_refused_is_dropped_alone(counter: Counted, table: Table) -> None:
    for number in range(9):
        counter.add(str(number), 1)
    table.refused = {"2", "7"}
    counter.flush()
    assert set(table.sums) == set("013456 8") - {" "}
    assert set(table.sums.values()) == {1}
    assert len(counter) == 0


def test_an_outage_among_refusals_keeps_only_what_was_not_written(
    counter: Counted, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abcd":
        counter.add(key, 1)
    table.refused = {"a"}
    real = table.write

    def write(rows: Sequence[tuple[str, int]]) -> None:
        real(rows)
        table.away = True  # after the first good part

    monkeypatch.setattr(counter, "_write", write)
    counter.flush()
    table.away = False
    assert (table.sums, len(counter)) == ({"b": 1}, 2)
    counter.flush()
    assert table.sums == {"b": 1, "c": 1, "d": 1}


def test_memory_is_bounded(table: Table) -> None:
    counter = BufferedCounter[str, int]("tests", table.write, most=3)
    for number in range(9):
        counter.add(str(number % 6), 1)
    counter.flush()
    assert table.sums == {"0": 2, "1": 2, "2": 2}


def test_what_has_no_room_may_be_counted_elsewhere(table: Table) -> None:
    counter = BufferedCounter[str, int]("tests", table.write, most=3, overflow=lambda _: "others")
    for number in range(9):
        counter.add(str(number), 1)
    counter.flush()
    assert table.sums == {"0": 1, "1": 1, "2": 1, "others": 6}


def test_additions_of_many_threads_add_up(counter: Counted, table: Table) -> None:
    def work() -> None:
        for _ in range(500):
            counter.add("a", 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counter.flush()
    counter.flush()
    assert table.sums == {"a": 2000}


def test_it_does_not_write_in_a_transaction_of_the_caller(counter: Counted, table: Table) -> None:
    counter.add("a", 1)
    counter.pause = 0.0
    with transaction.atomic():
        counter.flush_if_due()
        assert not table.batches
    counter.flush_if_due()
    assert table.sums == {"a": 1}


def test_a_forked_process_starts_empty(counter: Counted) -> None:
    counter.add("a", 1)
    child = os.fork()
    if child == 0:
        os._exit(len(counter))
    _, status = os.waitpid(child, 0)
    assert (os.waitstatus_to_exitcode(status), len(counter)) == (0, 1)
