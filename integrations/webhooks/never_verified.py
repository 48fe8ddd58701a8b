"""Apps that are installed and never got a webhook whose signature was verified: a wrong key looks like that.

Each app that is installed through HighLevel gets webhooks: its installs, at the least. An app without a webhook URL is
named in the setting APPS_WITHOUT_WEBHOOKS.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

from django.conf import settings
from django.db.models import Count, Expression, F, Q, Sum

from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Answers
from integrations.webhooks.response_counts import UNVERIFIED, ResponseOutcome

AFTER = timedelta(days=1)  # from the first installation on
_VERIFIED = reduce(operator.add, (F(outcome.value) for outcome in ResponseOutcome if outcome not in UNVERIFIED))


@dataclass(frozen=True, slots=True)
class UnheardApp:
    """An app without a verified webhook. `unverified`: posts to its URL without a valid signature, of all time."""

    app: str
    installations: int
    unverified: int


def unheard_apps(now: datetime) -> list[UnheardApp]:
    """Apps of which installations are older than `AFTER`. Entered tokens are no installations at HighLevel."""
    old = Q(installations__status=Installation.Status.INSTALLED, installations__created_at__lt=now - AFTER)
    old &= ~Q(installations__origin=Installation.Origin.OPERATOR)
    silent = settings.APPS_WITHOUT_WEBHOOKS
    apps = App.objects.exclude(Q(client_id__in=silent) | Q(highlevel_id__in=silent))
    installed = apps.annotate(number=Count("installations", filter=old)).filter(number__gt=0).order_by("name")
    unverified = dict(_sums(Sum("unsigned") + Sum("too_large")))
    verified = {app for app, number in _sums(Sum(_VERIFIED)) if number}
    return [UnheardApp(app.name, app.number, unverified.get(app.pk, 0)) for app in installed if app.pk not in verified]


def _sums(expression: Expression) -> list[tuple[int, int]]:
    found = Answers.objects.exclude(app=None).values("app").annotate(total=expression).order_by()
    return list(found.values_list("app", "total"))
