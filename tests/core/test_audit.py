"""The chain names the first entry that was changed."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from integrations.core import audit
from integrations.core.models import AuditEntry


@pytest.fixture
def entries(db) -> list[AuditEntry]:
    return [audit.record("install.completed", actor="a", subject=f"Location:{n}", number=n) for n in range(5)]


def test_an_untouched_chain_verifies(entries) -> None:
    assert audit.verify() is None


@pytest.mark.parametrize("change", [{"actor": "b"}, {"detail": {"number": 9}}, {"subject": "x"}])
def test_a_changed_entry_is_named(entries, change) -> None:
    AuditEntry.objects.filter(pk=entries[2].pk).update(**change)
    assert audit.verify() == entries[2].pk


def test_a_removed_entry_is_noticed_at_the_next(entries) -> None:
    AuditEntry.objects.filter(pk=entries[1].pk).delete()
    assert audit.verify() == entries[2].pk


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain() -> None:
    def write(name: int) -> None:
        for number in range(5):
            audit.record("x", actor=str(name), subject=str(number))
        connection.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditEntry.objects.count() == 30
    assert audit.verify() is None
