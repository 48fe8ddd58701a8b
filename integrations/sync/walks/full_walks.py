"""When a plan's full walks are: as often as the day's calls allow, at a moment of its own. Pure, but for `day_limit`.

All plans of an agency are made within minutes. If each one were due a day after its last walk, all of them would walk
at that hour for ever. So each has its own moment in every wait, by its number: together they are spread evenly over it.

How long the wait is follows from the calls of a walk. A plan spends `SHARE` of the day's calls on walks: up to 4,000
calls of 200,000 once a day, 10,000 (a million records) every two and a half days, and 28,000 once a week.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import queries
from integrations.sync import pace
from integrations.sync.models import Plan
from integrations.tenants.models import Installation


def day_limit(plan: Plan) -> int:
    """The calls of a day that the plan's tenant has, as its responses said. Asks Redis: not inside a transaction."""
    tenant = plan.tenant
    mine = Installation.objects.filter(app=plan.app_id, user_type=tenant.user_type, resource_id=tenant.id)
    row = mine.select_related("app").first()
    try:
        known = None if row is None else queries.snapshot(row.quota_app, tenant.id).day_limit
    except StoreUnavailable:
        known = None
    return known or pace.CALLS_A_DAY


def moment(now: datetime, wait: timedelta, plan_id: int) -> datetime:
    """The plan's next own moment, at least half a wait from now. From one to the next it is exactly one wait."""
    first = pace.SOME_DAY + wait * pace.share(plan_id)
    return first + wait * ceil((now + wait / 2 - first) / wait)
