"""Celery task of tenants: calls the lifecycle hooks of one change. The dispatcher sends it for changes that are due."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.db.models import Q

from integrations.core import dispatch
from integrations.core.celery_tasks import task
from integrations.tenants import lifecycle_hooks
from integrations.tenants.installation_change import InstallationChange


@task("tenants.deliver_change")
def deliver_change(*, change_id: int, **_: object) -> None:
    """Call the functions that are registered for the change (`lifecycle_hooks.deliver`)."""
    lifecycle_hooks.deliver(change_id)


SOURCE = dispatch.DueSource(
    name="changes of installations",
    task="tenants.deliver_change",
    argument="change_id",
    take=lifecycle_hooks.take_due,
    find_unstarted=partial(dispatch.find_unstarted, InstallationChange, "due_at", Q()),
    make_due_again=partial(dispatch.make_due_again, InstallationChange, "due_at"),
    due_rows=lambda now: [InstallationChange.objects.filter(due_at__lte=now)],
    every=timedelta(seconds=0.25),
)
