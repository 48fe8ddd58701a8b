"""Who writes to the database has no purge made: no receipt in another's name, no token removed, no contact kept out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.privacy import purge_mac, purge_requests, purge_run, purge_scope, purge_stages
from integrations.privacy.models import Purge
from integrations.sync.models import SuppressedRecord
from integrations.tenants.models import App, Installation
from integrations.vault import signed_tables
from tests.privacy.conftest import AGENCY, ANN, ANN_PLACE, BOB_PLACE, work
from tests.support.forging import Attacks, copied, each

pytestmark = pytest.mark.django_db
ANNS, BOBS = Tenant.location(ANN_PLACE), Tenant.location(BOB_PLACE)


@pytest.mark.slow
def test_a_purge_that_is_written_deletes_nothing_and_names_nobody(planted: App) -> None:
    purge = purge_requests.request(ANNS, actor="operator ann")
    mine, now = Purge.objects.filter(pk=purge.pk), clock.now()
    due = {"begins_at": "now()", "due_at": "now()"}
    contact = {"of_contact": "true", "contact_id": f"'{ANN['id']}'", **due}
    attacks: Attacks = {
        "before its time": lambda: mine.update(begins_at=now, due_at=now),
        "in the name of another": lambda: mine.update(requested_by="operator eve", begins_at=now, due_at=now),
        "for another tenant": lambda: mine.update(tenant_id=BOB_PLACE, begins_at=now, due_at=now),
        "inserted": lambda: copied("privacy_purge", purge.pk, tenant_id=f"'{AGENCY}'", user_type="'Company'", **due),
        "for a contact": lambda: copied("privacy_purge", purge.pk, **contact),
        "without a MAC": lambda: mine.update(mac=None, begins_at=now, due_at=now),
        "cancelled before": lambda: (
            purge_requests.cancel(purge, actor="operator ann"),
            mine.update(status="waiting", begins_at=now, due_at=now, finished_at=None),
        ),
    }
    Installation.objects.update(status="uninstalled")
    tenants = (ANNS, BOBS, Tenant.company(AGENCY))
    before = {one: purge_stages.counts(purge_scope.of(one)) for one in tenants}
    for name in each(attacks):
        for pk in Purge.objects.filter(due_at__lte=clock.now()).values_list("pk", flat=True):
            purge_run.turn(pk)
        refused = Purge.objects.get(note=purge_mac.NOT_OURS)
        assert (refused.status, refused.contact_id, refused.counts) == ("cancelled", "", {}), name
        assert {one: purge_stages.counts(purge_scope.of(one)) for one in tenants} == before, name
        assert not SuppressedRecord.objects.exists(), name
        assert not AuditEntry.objects.filter(action="purge.completed").exists(), name
        assert AuditEntry.objects.latest("number").action == "purge.refused", name
        assert AuditEntry.objects.latest("number").actor == "system", name
        assert signed_tables.misfits() == {}, name
    assert work(mine.get()).status == "complete", "what an operator asked for is done"


@pytest.mark.slow
def test_a_running_purge_takes_no_other_tenant_along_and_has_its_own_receipt(
    planted: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge = purge_requests.request(ANNS, actor="operator ann", at_once=True)
    monkeypatch.setattr(purge_run, "TURN_SECONDS", 0.0)
    purge_run.turn(purge.pk)
    mine = Purge.objects.filter(pk=purge.pk)
    assert mine.get().status == "running"
    attacks: Attacks = {
        "its locations": lambda: mine.update(locations=[BOB_PLACE]),
        "its counts": lambda: mine.update(counts={"sync.Record": 0}),
        "who asked": lambda: mine.update(requested_by="operator eve"),
    }
    for name in each(attacks):
        purge_run.turn(purge.pk)
        assert mine.get().note == purge_mac.NOT_OURS, name
        assert not AuditEntry.objects.filter(action="purge.completed").exists(), name
    monkeypatch.undo()
    assert work(mine.get()).status == "complete"


def test_one_that_is_put_off_is_an_alarm_and_can_be_discarded(planted: App) -> None:
    purge = purge_requests.request(ANNS, actor="operator ann")
    late = clock.now() + timedelta(days=9_000)
    Purge.objects.update(begins_at=late, due_at=late)
    assert signed_tables.misfits() == {"privacy.Purge": 1}
    assert signed_tables.discard("privacy.Purge", [purge.pk], actor="operator ann") == [purge.pk]
    assert purge_requests.request(ANNS, actor="operator ann").pk != purge.pk
