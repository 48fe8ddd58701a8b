"""The pages of exports: the form, progress and files, the download with its permissions, and the buttons."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.exports import runs
from integrations.exports.models import Export, ExportPart, Run
from integrations.tenants.models import App, Installation
from tests.console.conftest import LOCATION, OTHER
from tests.exports.conftest import work
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in

NEW = "/admin/exports/export/new/"


@pytest.fixture
def here(agency: Installation) -> App:
    return agency.app


def ask(client: Client, app: App, **fields: Any) -> Export:
    client.post(NEW, {"app": app.pk, "resource": ["contacts"], "form": "csv", "repeat": "once", **fields})
    return Export.objects.latest("pk")


def test_the_form_makes_an_export_whose_file_is_downloaded(operator_client: Client, here: App) -> None:
    form = operator_client.get(f"{NEW}?app={here.pk}&location={LOCATION}").content.decode()
    assert f"Studio {LOCATION}" in form
    export = ask(operator_client, here, locations=f"{LOCATION}, {OTHER}")
    assert export.locations == [LOCATION, OTHER]
    run = work(export)
    page = operator_client.get(reverse("admin:exports_export_change", args=[export.pk])).content.decode()
    address = reverse("admin:exports_export_file", args=[run.pk, "contacts"])
    assert address in page
    assert "6 rows" in page
    answer = operator_client.get(address)
    body = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert len(body) == int(answer["Content-Length"])
    assert "no-store" in answer["Cache-Control"]
    assert answer["Content-Disposition"] == f'attachment; filename="contacts-{run.pk}.csv"'
    assert body.count(b"\n") == 7
    assert AuditEntry.objects.filter(action="export.downloaded", actor="operator op").count() == 1
    ExportPart.objects.update(expires_at=clock.now())
    assert operator_client.get(address).status_code == 404
    assert (
        "have expired" in operator_client.get(reverse("admin:exports_export_change", args=[export.pk])).content.decode()
    )


def test_what_cannot_be_exported_is_said_on_the_form(operator_client: Client, here: App) -> None:
    page = operator_client.post(NEW, {"app": here.pk, "form": "csv", "repeat": "daily", "day": "x", "locations": "zzz"})
    assert "choose a resource at least" in page.content.decode()
    assert not Export.objects.exists()


def test_only_operators_and_owners_export_and_download(sign_in: SignIn, operator_client: Client, here: App) -> None:
    run = work(ask(operator_client, here))
    address = reverse("admin:exports_export_file", args=[run.pk, "contacts"])
    support = sign_in("support")
    assert [support.get(url).status_code for url in (NEW, address)] == [403, 403]
    assert support.get(reverse("admin:exports_export_changelist")).status_code == 200
    operator = sign_in("operator")
    assert [operator.get(url).status_code for url in (NEW, address)] == [200, 200]


def test_the_buttons_pause_run_restart_and_remove(operator_client: Client, here: App) -> None:
    export = ask(operator_client, here, repeat="daily", at="05:00")

    def press(action: str) -> Export | None:
        operator_client.post(
            reverse("admin:exports_export_changelist"),
            {"action": action, "_selected_action": [export.pk], "confirmed": "yes"},
        )
        return Export.objects.filter(pk=export.pk).first()

    paused = press("pause")
    assert paused is not None
    assert not paused.enabled
    assert runs.start_due(clock.now()) == []
    going = press("go_on")
    assert going is not None
    assert going.enabled
    started = runs.start_due(clock.now())
    press("cancel_run")
    assert Run.objects.get(pk=started[0]).status == "cancelled"
    now = press("run_now")
    assert now is not None
    assert now.due_at is not None
    press("begin_again")
    assert press("remove") is None
    actions = set(AuditEntry.objects.filter(action__startswith="export.").values_list("action", flat=True))
    wanted = ("asked", "paused", "continued", "cancelled", "run", "restarted", "removed")
    assert actions == {f"export.{name}" for name in wanted}
    assert "not yet" not in operator_client.get(reverse("admin:exports_export_changelist")).content.decode()
