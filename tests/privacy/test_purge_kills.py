"""A worker killed with SIGKILL in the middle of a batch: another one goes on, and the receipt counts nothing twice."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django import Settings

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.privacy import purge_requests
from integrations.privacy.models import Purge
from integrations.sync.models import Record
from integrations.tenants.models import App
from tests.privacy.conftest import ANN_PLACE, keep, work
from tests.support.processes import running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MORE = 22


def test_killed_inside_a_batch(planted: App, settings: Settings) -> None:
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the worker has it, from its URL
    for number in range(MORE):
        keep(planted, ANN_PLACE, "contacts", f"contact{number}", {"id": f"contact{number}"})
    purge = purge_requests.request(Tenant.location(ANN_PLACE), actor="operator ann", at_once=True)
    of_place = Record.objects.filter(location_id=ANN_PLACE)
    with running("-m", "tests.privacy.worker", str(purge.pk)) as process:
        earlier = ("outbox.Entry", "outbox.Run", "outbox.TenantOutbox", "jobs.Write", "jobs.Trigger", "jobs.Run")
        for label in (*earlier, "jobs.Schedule", "sync.Run", "sync.Record"):
            process.hear(f"batch {label}", among_others=True)
            process.go_on()
        process.hear("batch sync.Record", among_others=True)
        assert of_place.count() == MORE + 3 - 10, "the first batch is committed, the second is under way"
        process.die()
    purge.refresh_from_db()
    assert (purge.counts["sync.Record"], of_place.count()) == (10, MORE + 3 - 10)
    assert Purge.objects.filter(due_at__gt=clock.now()).exists(), "it is sent again when the message counts as lost"
    assert (work(purge).status, of_place.count()) == ("complete", 0)
    assert purge.counts["sync.Record"] == MORE + 3
