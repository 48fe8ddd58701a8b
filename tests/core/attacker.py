"""An attacker who is a superuser of the database, knows this code, and has no key of the vault.

Each attack is done as well as it can be done without a key: chain values are computed anew, numbers closed up, seals
copied. `number` counts entries from 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from integrations.core.models import AuditEntry, AuditHead, AuditHeadExport


@contextmanager
def superuser() -> Iterator[None]:
    """A transaction in which no trigger fires."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def change(number: int, **columns: Any) -> None:
    """Change columns of one entry."""
    AuditEntry.objects.filter(number=number).update(**columns)


def compute_anew(since: int) -> None:
    """Give this entry and all after it the chain values that their contents demand. The seals stay."""
    previous = AuditEntry.objects.filter(number=since - 1).first()
    value = bytes(previous.hash) if previous else bytes(32)
    for entry in AuditEntry.objects.filter(number__gte=since).order_by("number"):
        entry.previous = value
        entry.hash = value = entry.chain_value
        entry.save()
    AuditHead.objects.update(value=value)


def change_and_compute(number: int) -> None:
    """Rewrite one entry and the chain behind it."""
    change(number, actor="somebody else")
    compute_anew(number)


def remove(*numbers: int) -> None:
    """Delete entries."""
    AuditEntry.objects.filter(number__in=numbers).delete()


def remove_and_close_up(number: int) -> None:
    """Delete one entry, let the following take its place, and compute the chain anew."""
    remove(number)
    for later in AuditEntry.objects.filter(number__gt=number).order_by("number").values_list("number", flat=True):
        AuditEntry.objects.filter(number=later).update(number=F("number") - 1)
    AuditHead.objects.update(number=F("number") - 1)
    compute_anew(number)


def insert(number: int, **columns: Any) -> None:
    """Insert an entry that looks like the one before it, with a chain value that fits, and whatever seal is given."""
    for later in AuditEntry.objects.filter(number__gte=number).order_by("-number").values_list("number", flat=True):
        AuditEntry.objects.filter(number=later).update(number=F("number") + 1)
    entry = AuditEntry.objects.get(number=number - 1)
    entry.pk, entry.number, entry.previous, entry.actor = None, number, bytes(entry.hash), "nobody"
    for name, value in columns.items():
        setattr(entry, name, value)
    entry.hash = entry.chain_value
    entry.save(force_insert=True)
    compute_anew(number + 1)


def swap_contents(one: int, other: int) -> None:
    """Let two entries change places, with their chain values and seals."""
    top = AuditEntry.objects.order_by("-number").values_list("number", flat=True)[0] + 10
    for before, after in ((one, top), (other, one), (top, other)):
        AuditEntry.objects.filter(number=before).update(number=after)


def cut(number: int) -> None:
    """Delete the entries from this one on."""
    AuditEntry.objects.filter(number__gte=number).delete()


def cut_and_move_head(number: int) -> None:
    """Delete the end, and let the head say that the entry before it is the last. Its seal stays."""
    cut(number)
    last = AuditEntry.objects.get(number=number - 1)
    AuditHead.objects.update(number=last.number, value=last.hash, at=last.at)


def cut_and_delete_head(number: int) -> None:
    """Delete the end, and the head."""
    cut(number)
    AuditHead.objects.all().delete()


def pretend_to_be_of_the_release_before_seals() -> None:
    """Rewrite everything as if it had never been sealed."""
    AuditEntry.objects.update(key_id="", seal=None, actor="nobody")
    compute_anew(1)
    AuditHead.objects.update(sealed_from=F("number") + 1)


def copy_seal(source: int, to: int) -> None:
    """Give an entry that was rewritten the seal of another."""
    change(to, actor="nobody", seal=AuditEntry.objects.get(number=source).seal)
    compute_anew(to)


def name_a_key_that_is_gone(number: int) -> None:
    """Rewrite an entry, and claim that a key sealed it that is no longer listed."""
    change(number, actor="nobody", key_id="gone")
    compute_anew(number)


def forget_exports() -> None:
    """Delete what the database remembers of exported heads."""
    AuditHeadExport.objects.all().delete()


def wipe() -> None:
    """Empty all tables of the trail."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE core_auditentry, core_audithead, core_auditheadexport")
