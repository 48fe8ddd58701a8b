"""Apps that are installed and never got a webhook whose signature was verified: a wrong key looks like that.

Each app that is installed through HighLevel gets webhooks: its installs, at the least. An app without a webhook URL is
named in the setting APPS_WITHOUT_WEBHOOKS.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

from django.conf import settings
from django.db.models import Count, F, Q, Sum

from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Answers
from integrations.webhooks.response_counts import UNVERIFIED, ResponseOutcome

AFTER = timedelta(days=1)  # from the first installation on


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
    unverified = _sums(UNVERIFIED)
    verified = _sums(set(ResponseOutcome) - UNVERIFIED)
    return [
        UnheardApp(app.name, app.number, unverified.get(app.pk, 0)) for app in installed if not verified.get(app.pk)
    ]


def _sums(outcomes: Iterable[ResponseOutcome]) -> dict[int, int]:
    """By the app's key, how many of its webhooks had one of these outcomes, of all time."""
    number = reduce(operator.add, (F(outcome.value) for outcome in outcomes))
    found = Answers.objects.exclude(app=None).values("app").annotate(total=Sum(number)).order_by()
    return dict(found.values_list("app", "total"))
