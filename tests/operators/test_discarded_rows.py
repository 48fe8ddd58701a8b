"""The way out for each row that is refused for its MAC: a page with the action, or the command."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.test import RequestFactory

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.pages.row_actions import form_for
from integrations.jobs import pausing
from integrations.jobs.models import JobState, Run, Schedule, Trigger, Write
from integrations.modules.models import TriggerSubscription
from integrations.outbox.models import Entry, TenantOutbox
from integrations.privacy.models import Purge
from integrations.sync import models as sync
from integrations.sync import resource_choices
from integrations.tenants.installation_change import InstallationChange
from integrations.vault import signed_tables
from integrations.webhooks.models import Event
from tests.operators.conftest import SignIn
from tests.support.forging import each
from tests.support.signed import transition

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(people: dict[str, Any]) -> dict[str, QuerySet[Any]]:
    """A row of each signed table on which somebody may act, by the table's label. All of them fit."""
    app = people["webhooks.Event"].app
    sync.ResourceChoice.objects.create(app=app, resource="contacts", enabled=True)
    sync.ChosenVariant.objects.create(app=app, resource="contacts", name="leads", filters={"type": "lead"})
    hour = timedelta(hours=1)
    sync.AdaptiveChoice.objects.create(app=app, enabled=True, shortest=hour, longest=hour, calls_per_day=1)
    Write.objects.create(
        schedule=people["jobs.Schedule"],
        key="k",
        operation="contacts.create-note",
        state="confirmed",
        answer={"status": 200, "json": None, "trace_id": None},
        sent_at=clock.now(),
        settled_at=clock.now(),
    )
    InstallationChange.objects.filter(pk=people["tenants.InstallationChange"].pk).update(error="a hook failed")
    signed_tables.vouch(actor="test", reason="the scene is set")
    models = (TriggerSubscription, Event, InstallationChange, Schedule, Run, Trigger, JobState)
    found = {model._meta.label: model.objects.all() for model in models}
    found["jobs.Write"] = Write.objects.filter(state="confirmed")
    found |= {
        model._meta.label: model.objects.all()
        for model in (sync.Plan, sync.ResourceChoice, sync.ChosenVariant, sync.AdaptiveChoice)
    }
    found["sync.Run"] = sync.Run.objects.exclude(checkpoint={})
    found["outbox.Entry"] = Entry.objects.all()
    found["outbox.TenantOutbox"] = TenantOutbox.objects.all()
    found["privacy.Purge"] = Purge.objects.filter(status="waiting")
    kept = {label: str(some.first().pk) for label, some in found.items()}
    return {label: some.filter(pk=kept[label]) for label, some in found.items()}


def spoil(rows: QuerySet[Any]) -> None:
    column = "sealed" if rows.model is Entry else "mac"
    assert rows.update(**{column: b"theirs"}) == 1


def vault(*argv: str) -> Any:
    out = io.StringIO()
    call_command("vault", *argv, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.slow
def test_every_signed_table_has_a_way_out(rows: dict[str, QuerySet[Any]], sign_in: SignIn) -> None:
    transition(None)
    signed_tables.vouch(actor="test", reason="a key without a transition")
    assert rows.keys() == signed_tables.misfit_rows().keys(), "a table without a row here has no test"
    for label in each({name: (lambda some=some: spoil(some)) for name, some in rows.items()}):
        spoiled = {one["table"]: str(one["id"]) for one in vault("misfits")}
        assert label in spoiled, label
        done = vault("discard", "--table", label, "--id", spoiled[label], "--reason", "an intruder")
        assert [str(pk) for pk in done["discarded"]] == [spoiled[label]]
        assert vault("misfits") == [], label
        entry = AuditEntry.objects.filter(action="vault.rows_discarded").latest("number")
        assert (entry.actor, entry.subject, entry.detail["reason"]) == ("command line", label, "an intruder")


@pytest.mark.slow
def test_the_page_offers_it_for_such_a_row_alone(
    rows: dict[str, QuerySet[Any]], sign_in: SignIn, unrendered: None
) -> None:
    signed_in = {role: sign_in(role) for role in ("support", "operator")}
    paged = {TriggerSubscription, Event, InstallationChange, Schedule, Run, Trigger, sync.Plan, sync.Run}
    for label in each({model._meta.label: (lambda: None) for model in paged}):
        row = rows[label].get()
        page = f"/admin/{label.lower().replace('.', '/')}/"
        post = {"action": "discard", "_selected_action": [row.pk], "confirmed": "yes"}

        def offered(role: str, row: Any = row) -> bool:
            request = RequestFactory().get("/admin/")
            request.user = User.objects.get(username=f"the-{role}")
            form = form_for(request, row)
            return form is not None and "discard" in dict(form.choices)

        if label != "jobs.Trigger":  # whose page discards every event that was set aside
            assert not offered("operator"), f"{label}: the row fits"
            signed_in["operator"].post(page, post)
            assert rows[label].exists(), f"{label}: what fits stays, though it was posted"
        spoil(rows[label])
        assert (offered("operator"), offered("support")) == (True, False), label
        signed_in["support"].post(page, post)
        question = signed_in["operator"].post(page, {key: post[key] for key in ("action", "_selected_action")})
        assert question.status_code == 200, f"{label}: it asks first"
        assert rows[label].exists(), label
        signed_in["operator"].post(page, post)
        assert not rows[label].exists(), label
        last = AuditEntry.objects.latest("number")
        assert (last.actor, "discarded" in last.action) == ("operator the-operator", True), label


def test_discarding_leaves_what_counted_while_the_row_was_held(rows: dict[str, QuerySet[Any]]) -> None:
    choice = rows["sync.ResourceChoice"]
    spoil(choice)
    app_id = choice.get().app_id
    assert "contacts" not in resource_choices.chosen(app_id)
    vault("discard", "--table", "sync.ResourceChoice", "--reason", "an intruder")
    assert "contacts" not in resource_choices.chosen(app_id), "not the resource's default, which is on"
    write = rows["jobs.Write"].get()
    spoil(rows["jobs.Write"])
    vault("discard", "--table", "jobs.Write", "--reason", "an intruder")
    write.refresh_from_db()
    assert (write.state, write.answer) == ("unknown", None), "a person decides"
    state = rows["jobs.JobState"].get()
    pausing.pause(state.job, clock.now(), by="ann")
    rows["jobs.JobState"].update(paused_at=None, paused_by="", reason="")
    vault("discard", "--table", "jobs.JobState", "--reason", "an intruder")
    spoil(rows["outbox.TenantOutbox"])
    vault("discard", "--table", "outbox.TenantOutbox", "--reason", "an intruder")
    assert rows["outbox.TenantOutbox"].get().enabled is False, "it counted as paused"
    assert state.job in pausing._paused_in_trail([state.job]), "its pause is the last that the trail says"


def test_nothing_fitting_nor_foreign_is_discarded(rows: dict[str, QuerySet[Any]]) -> None:
    pk = rows["webhooks.Event"].get().pk
    for argv, words in (
        (["--table", "webhooks.Event", "--id", str(pk)], "1 rows fit their MAC, or are not there"),
        (["--table", "webhooks.Event", "--id", "x"], "--id: "),
        (["--table", "webhooks.Mailbox"], "webhooks.Mailbox has no signed rows; these have: "),
    ):
        with pytest.raises(CommandError, match=words):
            vault("discard", *argv, "--reason", "an intruder")
    assert rows["webhooks.Event"].exists()
    spoil(rows["webhooks.Event"])
    transition(clock.now() + timedelta(hours=1))
    assert vault("discard", "--table", "webhooks.Event", "--reason", "too soon")["discarded"] == []
    assert vault("misfits") == [], "in the transition no row is refused"
