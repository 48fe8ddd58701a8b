"""Time that passes for durable runs, whose leases and due times are judged by the database's clock."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from integrations.core.runs.models import AbstractRun


def time_passes(model: type[AbstractRun], span: timedelta) -> None:
    """Let `span` pass for all runs of a model: what they wait for is nearer by it."""
    model._default_manager.update(due_at=F("due_at") - span, lease_until=F("lease_until") - span)
