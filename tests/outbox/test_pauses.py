"""What an operator has paused sends nothing, whoever writes to the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.outbox import outbox_pauses, runs
from integrations.outbox.models import Entry, Run, TenantOutbox
from integrations.tenants.models import App
from integrations.vault import signed_tables
from tests.jobs.conftest import app as app
from tests.jobs.conftest import location as location
from tests.jobs.conftest import vendor as vendor
from tests.outbox.test_outbox import Desk
from tests.outbox.test_outbox import desk as desk
from tests.support.forging import Attacks, copied, each, forged_entry
from tests.support.signed import transition
from tests.webhooks.conftest import other_app as other_app

pytestmark = pytest.mark.django_db


def start() -> None:
    """Have workers do what is due, as often as it takes."""
    for _ in range(2):
        runs.start_due(clock.now())
        for pk in Run.objects.running().values_list("pk", flat=True):
            Run.objects.filter(pk=pk).update(due_at=clock.now(), lease_until=None, lease_owner="")
            runs.advance(pk)


def test_a_pause_that_is_removed_goes_on(desk: Desk, other_app: App) -> None:
    desk.put("put 1")
    box = TenantOutbox.objects.get()
    kept = bytes(box.mac or b"")
    mine = TenantOutbox.objects.filter(pk=box.pk)
    assert outbox_pauses.pause(mine, by="operator ann") == [box.pk]
    now = clock.now()
    going: dict[str, Any] = {"enabled": True, "due_at": now}
    ended = {"status": "complete", "due_at": now, "started_at": now, "finished_at": now}
    run = Run.objects.create(outbox=box, **ended)

    def deleted_and_put_again() -> None:
        """The entry keeps its seal, and is moved to the outbox that the app's next call makes."""
        old = Entry.objects.values().get()
        mine.delete()
        desk.put("put 2")
        again = TenantOutbox.objects.get()
        Entry.objects.create(**{**old, "id": None, "outbox_id": again.pk})

    attacks: Attacks = {
        "switched on": lambda: mine.update(**going),
        "with the MAC of another": lambda: mine.update(**going, mac=b"\0" * 32),
        "without a MAC": lambda: mine.update(**going, mac=None),
        "a run is written": lambda: (
            mine.update(enabled=True),
            copied("outbox_run", run.pk, status="'running'", finished_at="NULL", due_at="now()"),
        ),
        "for another app": lambda: mine.update(**going, app=other_app, mac=kept),
        "deleted": deleted_and_put_again,
        "deleted, with an entry of the trail": lambda: (
            forged_entry("outbox.resumed", str(box)),
            deleted_and_put_again(),
        ),
    }
    for name in each(attacks):
        start()
        assert desk.notes() == [], name
        assert not Entry.objects.exclude(state="waiting").exists(), name
        assert not outbox_pauses.sends(TenantOutbox.objects.get()), name
    mine.update(**going)
    start()
    assert signed_tables.misfits() == {}, "it is paused again, and a failed run says why"
    assert Run.objects.latest("pk").error_code == "seal_broken"
    assert outbox_pauses.resume(mine, by="operator ann") == [box.pk]
    start()
    assert (desk.notes(), signed_tables.misfits()) == (["put 1"], {})
    trail = AuditEntry.objects.filter(action__startswith="outbox.").order_by("number")
    assert list(trail.values_list("action", flat=True)) == ["outbox.paused", "outbox.resumed"]


def test_a_pause_during_a_run_holds_though_its_row_is_changed_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put("put 1")
    desk.put("put 2", contact=desk.other)
    send = runs.OutboxTurn._send

    def paused_meanwhile(turn: Any, entry: Entry) -> None:
        send(turn, entry)
        outbox_pauses.pause(TenantOutbox.objects.all(), by="operator ann")
        TenantOutbox.objects.update(enabled=True)

    monkeypatch.setattr(runs.OutboxTurn, "_send", paused_meanwhile)
    run = desk.work()
    assert (run.status, run.error_code, desk.states()) == ("failed", "seal_broken", ["done", "waiting"])


def test_a_new_outbox_sends_unless_the_trail_says_that_it_is_paused(desk: Desk, other_app: App) -> None:
    desk.put("put 1")
    box = TenantOutbox.objects.get()
    outbox_pauses.pause(TenantOutbox.objects.all(), by="operator ann")
    TenantOutbox.objects.all().delete()
    now = clock.now()
    assert not outbox_pauses.of_tenant(desk.app, box.tenant, now).enabled
    assert outbox_pauses.of_tenant(other_app, box.tenant, now).enabled, "another app of the tenant"
    outbox_pauses.resume(TenantOutbox.objects.filter(app=desk.app), by="operator ann")
    TenantOutbox.objects.all().delete()
    assert outbox_pauses.of_tenant(desk.app, box.tenant, now).enabled


def test_outboxes_of_the_release_before_send_until_the_transition_ends(desk: Desk) -> None:
    desk.put("put 1")
    box = TenantOutbox.objects.all()
    transition(clock.now() + timedelta(hours=1))
    box.update(mac=None)
    assert outbox_pauses.sends(box.get())
    assert signed_tables.sign_in_transition()["outbox.TenantOutbox"] == 1
    box.update(mac=None, due_at=clock.now())
    transition(None)
    start()
    assert (desk.states(), outbox_pauses.sends(box.get())) == (["waiting"], False)
    assert signed_tables.misfits()["outbox.TenantOutbox"] == 1, "an alarm, until an operator decides"
    outbox_pauses.resume(box, by="operator ann")
    assert outbox_pauses.sends(box.get())
