"""Uninstalls: wipes the tokens at once, and makes the location due for the sync, which deletes its plans and records.

The functions here carry out what was decided: by an UNINSTALL event (`by_event`), by the vendor's answer (`confirmed`)
or by an operator (`removed`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.tenant import UserType
from integrations.installs import decide, register
from integrations.installs.decide import Decision, Kind, TimedNotice
from integrations.installs.register import Doubt
from integrations.tenants import history
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation
from integrations.tokens import store
from integrations.tokens.models import CredentialKey

_EVENT = "UNINSTALL event"
VENDOR = "highlevel"  # the actor in the audit trail when an event or the vendor's list is the reason


def by_event(row: Installation, notice: TimedNotice, *, locations: Iterable[Installation] = ()) -> Decision:
    """Apply an UNINSTALL of the row's tenant: end the row, ask the vendor, or change nothing, by `installs.decide`.

    `locations` are those of an agency. They end with it, unless their own facts are newer (FACTS 1.9).
    """
    with transaction.atomic():
        decision = _event(row, notice)
        if decision is Decision.APPLY:
            ended = [(row, _EVENT)] if _end(row, notice, why=_EVENT) else []
            _record([*ended, *_end_below(locations, notice)], actor=VENDOR)
    return decision


def locations_by_event(locations: Iterable[Installation], notice: TimedNotice) -> None:
    """Apply an agency's UNINSTALL to its locations, each by its own facts (FACTS 1.9)."""
    with transaction.atomic():
        _record(_end_below(locations, notice), actor=VENDOR)


def confirmed(row: Installation, *, why: str, locations: Iterable[Installation] = ()) -> bool:
    """End a row because the vendor said so. False when a notice came since `row` was read: it is newer.

    `locations` are those of an agency whose UNINSTALL event was in doubt: it is applied to them now.
    """
    now = clock.now()
    with transaction.atomic():
        fresh = Installation.objects.select_for_update(no_key=True).filter(pk=row.pk, revision=row.revision).first()
        if fresh is None or not _end(row, TimedNotice(Kind.UNINSTALL, max(now, fresh.status_at)), why=why):
            return False
        _record([(row, why), *_end_below(locations, TimedNotice(Kind.UNINSTALL, now))], actor=VENDOR)
    return True


def removed(row: Installation, *, at: datetime, actor: str) -> bool:
    """End a row, and for an agency its locations, because an operator said so. False when it was uninstalled before.

    The row remembers it (`removed_at`): the vendor's list alone does not bring it back, a new installation does.
    """
    why = f"removed by {actor}"
    with transaction.atomic():
        rows = [row]
        if row.user_type == UserType.COMPANY and row.abilities.reported:
            rows += register.locations_of(row.app, row.resource_id).select_related("app").order_by("pk")
        notices = ((found, TimedNotice(Kind.UNINSTALL, max(at, found.status_at))) for found in rows)
        ended = [found for found, notice in notices if _end(found, notice, why=why)]
        Installation.objects.filter(pk__in=[found.pk for found in ended]).update(removed_at=at)
        _record([(found, why) for found in ended], actor=actor)
    return row in ended


def _event(row: Installation, notice: TimedNotice) -> Decision:
    """The decision for the locked row; in doubt the row becomes due, and the reconciler asks the vendor."""
    fresh = Installation.objects.select_for_update(no_key=True).get(pk=row.pk)
    decision = decide.decide(register.facts(fresh), notice)
    live = Installation.objects.filter(pk=row.pk)
    if decision is Decision.ASK:
        live.ask_vendor(Doubt.EVENT, now=clock.now())
    elif decision is Decision.APPLY:
        live.uninstalled_at(notice.at)
    return decision


def _end(row: Installation, notice: TimedNotice, *, why: str) -> bool:
    """Uninstall one row and wipe its tokens. False when it was uninstalled before.

    One that never was installed leaves no entry in the history: no hook ran for it.
    """
    now = clock.now()
    fresh = Installation.objects.select_for_update(no_key=True).get(pk=row.pk)
    if not Installation.objects.filter(pk=row.pk).uninstall(at=notice.at, now=now):
        return False
    if fresh.is_installed:
        history.add(fresh.change(InstallationChange.What.UNINSTALLED, notice.at, new=why, event_id=notice.event_id))
    store.revoke(CredentialKey(row.app, row.tenant, row.abilities.api), reason=why, now=now)
    Installation.objects.filter(pk=row.pk).sync_at(now)
    return True


def _end_below(locations: Iterable[Installation], notice: TimedNotice) -> list[tuple[Installation, str]]:
    """End the locations of an agency. One that another company's list has moves there instead.

    Returns the ended ones for `_record`. All rows are written before the first audit entry, so that this and a callback
    lock in the same order: a callback holds its row while it waits for the lock of the audit trail.
    """
    why, ended = f"{_EVENT} (with its company)", []
    for row in locations:
        if _event(row, notice) is not Decision.APPLY:
            continue
        if row.rival is not None and row.rival.is_installed and row.rival.company is not None:
            register.move(row, row.rival.company)
        elif _end(row, notice, why=why):
            ended.append((row, why))
    return ended


def _record(ended: Iterable[tuple[Installation, str]], *, actor: str) -> None:
    for row, why in ended:
        audit.record(
            "install.removed",
            actor=actor,
            subject=row.tenant.audit_subject,
            app=row.app.highlevel_id,
            reason=why,
            generation=row.generation,
        )
