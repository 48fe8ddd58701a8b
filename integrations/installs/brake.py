"""Locations that are missing from their company's list: a few are asked about at once, many engage the brake.

A list can be wrong: a page that misses a row, an empty answer, a filter that the vendor changed. So each missing
location is asked for by its own call, and none ends before that.

Few: the company's list is asked for the location alone (`question`). Those beyond `AT_ONCE` become due and are asked by
tasks of their own. Many (more than `BRAKE_COUNT` and `BRAKE_SHARE` of all): then the list counts no longer, and each
location's own token is tried: one call per location, from the location's own quota. A location whose token the vendor
refuses ends. If tokens of missing locations work, list and tokens contradict each other: those stay, pages and `doctor`
name the company, and an operator lets them go (`manage.py installs release`, or the button on the installation's page).
The brake ends by itself with the first listing from which no such number is missing.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from integrations.core import audit, clock
from integrations.installs import decide, question, register, resolve_doubt
from integrations.installs.decide import Decision, Kind, TimedNotice
from integrations.installs.register import Doubt, Status
from integrations.tenants.models import Installation

log = structlog.get_logger(__name__)

BRAKE_SHARE, BRAKE_COUNT = 0.2, 5
AT_ONCE = 30


def missing(company: Installation, *, began: datetime) -> None:
    """Look after the locations of the company that a complete reading, begun at `began`, did not list."""
    here = register.locations_of(company.app, company.resource_id)
    everything = here.installed().count()
    notice = TimedNotice(Kind.UNLISTED, began)
    rows = here.unlisted(since=began).select_related("app", "rival")
    gone = [row for row in rows if decide.decide(register.facts(row), notice) is Decision.ASK]
    installed = [row for row in gone if row.status == Status.INSTALLED]
    if len(installed) > max(BRAKE_COUNT, BRAKE_SHARE * everything) and company.released_at is None:
        _engage(company, installed)
        gone = [row for row in gone if row.status != Status.INSTALLED]
    else:
        _end(company)
    for row in gone[:AT_ONCE]:
        row.doubt = Doubt.UNLISTED
        resolve_doubt.apply(row, question.ask(row))
    _ask_later(gone[AT_ONCE:], Doubt.UNLISTED)


def release(company: Installation, *, actor: str) -> int:
    """Let the locations go that are missing from the company's list: the next reconciliation, due now, ends them.

    Each is still asked for in the list by a call of its own. Returns how many are missing; 0 when the company is not
    braked, and then nothing changes.
    """
    now = clock.now()
    with transaction.atomic():
        braked = Installation.objects.braked().filter(pk=company.pk)
        if not braked.update(released_at=now, reconcile_due_at=now, braked_at=None):
            return 0
        audit.record(
            "install.brake_released",
            actor=actor,
            subject=company.tenant.audit_subject,
            app=company.app.highlevel_id,
            missing=company.missing,
        )
    return company.missing


def _engage(company: Installation, rows: list[Installation]) -> None:
    """Ask the tokens of these locations, and tell the operators once."""
    now = clock.now()
    with transaction.atomic():
        _ask_later(rows, Doubt.VANISHED)
        braked = Installation.objects.companies().installed().filter(pk=company.pk)
        first = braked.filter(braked_at=None).update(braked_at=now)
        braked.update(missing=len(rows))
        if first:
            audit.record(
                "install.brake",
                actor="system",
                subject=company.tenant.audit_subject,
                app=company.app.highlevel_id,
                missing=len(rows),
            )
    log.error("installs.brake", company=company.resource_id, missing=len(rows))


def _end(company: Installation) -> None:
    if company.braked_at is not None or company.released_at is not None or company.missing:
        Installation.objects.filter(pk=company.pk).update(braked_at=None, released_at=None, missing=0)


def _ask_later(rows: list[Installation], doubt: Installation.Doubt) -> None:
    Installation.objects.filter(pk__in=[row.pk for row in rows]).ask_vendor(doubt, now=clock.now())
