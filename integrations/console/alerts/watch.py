"""Finds new alerts, sends them to operators, and remembers what was sent.

A finding is sent at least once: the row says so only after a channel has taken it. It is sent twice only if a worker
ends between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.console.alerts import alert_channels
from integrations.console.doctor import live_checks
from integrations.console.doctor.findings import Finding, Level
from integrations.console.models import OperatorAlert
from integrations.core import audit, masking

_CLAIMED = timedelta(minutes=2)  # longer than all channels take
_ORDER = (Level.FAILED, Level.WARNING, Level.UNKNOWN)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What to tell: alerts that begin or go on, and those that are over."""

    alerts: Sequence[OperatorAlert] = ()
    over: Sequence[OperatorAlert] = ()

    def __bool__(self) -> bool:
        return bool(self.alerts or self.over)


def look(now: datetime) -> News:
    """Run the checks, tell what is new, and return it. Does nothing where no channel is configured."""
    if not alert_channels.configured():
        return News()
    _remember(_findings(), now)
    news = News(
        _claim(_untold(now), now), _claim(OperatorAlert.objects.filter(level=Level.OK).exclude(told_at=None), now)
    )
    _loud(now).filter(level=Level.OK, told_at=None).delete()
    if news:
        _tell(news, now)
    alert_channels.ping()
    return news


def _findings() -> dict[str, Finding]:
    """The worst finding of each check and page. Personal data is masked: who reads a channel is not known here."""
    found: dict[str, Finding] = {}
    for check in (*live_checks.HEARTBEATS, *live_checks.CHECKS):
        for one in check.findings():
            key = f"{one.check} {one.link}".strip()[:300]
            if one.level in _ORDER and (key not in found or _rank(one.level) < _rank(found[key].level)):
                found[key] = one
    return found


def _rank(level: str) -> int:
    return _ORDER.index(Level(level))


def _remember(found: dict[str, Finding], now: datetime) -> None:
    """Bring the rows up to date; the level of one that is over is `Level.OK`."""
    for key, finding in found.items():
        fields = {
            "level": finding.level.value,
            "found": masking.text(finding.found)[:500],
            "fix": finding.fix[:500],
            "link": finding.link[:300],
        }
        row, is_new = OperatorAlert.objects.get_or_create(key=key, defaults=fields | {"since": now})
        if is_new:
            continue
        # What became worse is news, though it was muted. So is what was over and began again, but its mute holds.
        begins: dict[str, Any] = {}
        if row.level == Level.OK:
            begins = {"since": now, "told_at": None}
        elif _rank(finding.level) < _rank(row.level):
            begins = {"since": now, "told_at": None, "muted_until": None}
        OperatorAlert.objects.filter(pk=row.pk).update(**fields, **begins)
    OperatorAlert.objects.exclude(key__in=list(found)).update(level=Level.OK.value)


def _untold(now: datetime) -> list[OperatorAlert]:
    lasts, again = timedelta(minutes=settings.ALERT_AFTER_MINUTES), timedelta(hours=settings.ALERT_REPEAT_HOURS)
    due = Q(told_at=None, since__lte=now - lasts) | Q(told_at__lte=now - again)
    rows = _loud(now).filter(due).exclude(level=Level.OK)
    if not settings.ALERT_WARNINGS or (settings.ALERT_QUIET_HOURS and _is_quiet(now)):
        rows = rows.filter(level=Level.FAILED)
    return sorted(rows, key=lambda row: _rank(row.level))


def _loud(now: datetime) -> QuerySet[OperatorAlert]:
    """Alerts that are not muted. One that is over and muted keeps its row, because it may come again."""
    return OperatorAlert.objects.filter(Q(muted_until=None) | Q(muted_until__lte=now))


def _is_quiet(now: datetime) -> bool:
    first, last = settings.ALERT_QUIET_HOURS
    return first <= now.hour < last if first < last else now.hour >= first or now.hour < last


def _claim(rows: Iterable[OperatorAlert], now: datetime) -> list[OperatorAlert]:
    """Those of the rows that no other worker tells at this moment."""
    free = Q(telling_until=None) | Q(telling_until__lt=now)
    return [row for row in rows if OperatorAlert.objects.filter(free, pk=row.pk).update(telling_until=now + _CLAIMED)]


def _tell(news: News, now: datetime) -> None:
    troubles = alert_channels.tell(news.alerts, news.over)
    told = OperatorAlert.objects.filter(pk__in=[row.pk for row in (*news.alerts, *news.over)])
    if troubles and len(troubles) == len(alert_channels.configured()):
        told.update(telling_until=None)  # no channel took it: again in a minute
        return
    over = told.filter(level=Level.OK)
    (over & _loud(now)).delete()
    over.update(telling_until=None, told_at=None)  # stays for its mute
    told.exclude(level=Level.OK).update(telling_until=None, told_at=now)
    log.info("alerts.told", alerts=len(news.alerts), over=len(news.over))


def mute(number: int, until: datetime | None, *, actor: str) -> bool:
    """Send this alert to no channel until then; None ends that. False if there is none of that number."""
    with transaction.atomic():
        row = OperatorAlert.objects.select_for_update().filter(pk=number).first()
        if row is None:
            return False
        OperatorAlert.objects.filter(pk=number).update(muted_until=until)
        detail = {"alert": row.key, "until": until.isoformat() if until else None}
        audit.record("alerts.muted" if until else "alerts.unmuted", actor=actor, subject="alerts", **detail)
    return True
