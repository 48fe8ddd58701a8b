"""The pages of bulk upserts: the form, the price, the buttons, the rows, and the result file with its permissions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.tenants.models import App, Installation
from integrations.upserts import bulk_upsert
from integrations.upserts.models import Run, Upsert, UpsertRow
from tests.console.conftest import LOCATION
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in
from tests.upserts.conftest import later

NEW = "/admin/upserts/upsert/new/"
ROWS = b"E-mail,Name\nann@bulk.example,Ann\n,Nobody\n"


@pytest.fixture
def here(agency: Installation) -> App:
    return agency.app


def ask(client: Client, app: App, content: bytes = ROWS, name: str = "people.csv", **fields: Any) -> str:
    file = SimpleUploadedFile(name, content)
    given = {"app": app.pk, "location": LOCATION, "operation": "contacts.upsert-contact", "file": file}
    mapping = {"columns": "email = E-mail\nfirstName = Name\n"}
    return client.post(NEW, {**given, **mapping, **fields}, follow=True).content.decode()


def press(client: Client, action: str, row: Any) -> None:
    page = reverse(f"admin:upserts_{row._meta.model_name}_changelist")
    client.post(page, {"action": action, "_selected_action": [row.pk], "confirmed": "yes"})


@pytest.mark.slow
def test_a_file_is_priced_on_the_page_and_started_there(operator_client: Client, here: App) -> None:
    assert f"Studio {LOCATION}" in operator_client.get(f"{NEW}?app={here.pk}&location={LOCATION}").content.decode()
    page = ask(operator_client, here)
    upsert = Upsert.objects.get()
    assert "Nothing was sent yet" in page
    assert "<b>1</b> calls" in page
    assert "it has neither an e-mail address nor a telephone number" in page
    assert "Start it" in page
    assert "ann@bulk.example" not in page, "rows are encrypted"
    press(operator_client, "price_again", upsert)
    press(operator_client, "start", upsert)
    assert bulk_upsert.progress(upsert.pk).status == "waiting"
    press(operator_client, "cancel", upsert)
    assert bulk_upsert.progress(upsert.pk).status == "stopped"
    press(operator_client, "resume", upsert)
    assert bulk_upsert.progress(upsert.pk).status == "waiting"
    assert "waiting" in operator_client.get(reverse("admin:upserts_upsert_changelist")).content.decode()
    press(operator_client, "cancel", upsert)
    press(operator_client, "remove", upsert)
    assert not Upsert.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="upsert.", actor="operator op")
    wanted = {f"upsert.{name}" for name in ("prepared", "started", "cancelled", "resumed", "removed")}
    assert set(actions.values_list("action", flat=True)) == wanted


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "people.xlsx"}, "ends in .csv"),
        ({"content": b"E-mail,Name\n\xff\xfe,x\n"}, "not in UTF-8"),
        ({"content": b"x" * 2_200_000}, "2 MB at most here"),
        ({"operation": "contacts.get-contact"}, "does not write one record"),
        ({"columns": "email"}, "is not of the form: field = column"),
        ({"columns": "email = Mail"}, "no row has the column Mail"),
        ({"location": ""}, "name either a location or a company"),
    ],
)
def test_what_cannot_be_stored_is_said_on_the_form(
    operator_client: Client, here: App, fields: dict[str, Any], words: str
) -> None:
    assert words in ask(operator_client, here, **fields)
    assert not Upsert.objects.exists()


def test_one_under_way_says_how_fast_it_is_how_long_it_takes_and_what_it_waits_for(
    operator_client: Client, here: App
) -> None:
    now = clock.now()
    fields = {"app": here, "level": "Location", "tenant_id": LOCATION, "created_at": now, "made_by": "op"}
    upsert = Upsert.objects.create(operation="contacts.upsert-contact", phase="started", started_at=now, **fields)
    UpsertRow.objects.bulk_create(UpsertRow(upsert=upsert, number=number) for number in range(1, 61))
    # Long ago: the seconds until the page is made change nothing that it says.
    Run.objects.create(upsert=upsert, done=2_000, due_at=now, started_at=now - timedelta(seconds=1_000))
    shown = operator_client.get(reverse("admin:upserts_upsert_change", args=[upsert.pk])).content.decode()
    assert "2 a second, about 30 s left; waits for a worker" in shown


def test_the_result_file_is_for_those_who_may_see_people(sign_in: SignIn, operator_client: Client, here: App) -> None:
    ask(operator_client, here)
    address = reverse("admin:upserts_upsert_results", args=[Upsert.objects.get().pk])
    answer = operator_client.get(address)
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [line.split(",")[:2] for line in lines] == [["row", "outcome"], ["1", "waiting"], ["2", "invalid"]]
    assert "attachment" in answer["Content-Disposition"]
    assert AuditEntry.objects.filter(action="upsert.downloaded", actor="operator op").count() == 1
    support = sign_in("support")
    assert [support.get(url).status_code for url in (NEW, address)] == [403, 403]
    assert operator_client.get(reverse("admin:upserts_upsert_results", args=[0])).status_code == 404


def test_a_row_of_unknown_fate_is_decided_on_its_page(
    operator_client: Client, here: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(operator_client, here)
    upsert = Upsert.objects.get()
    bulk_upsert.start(upsert.pk)
    row = UpsertRow.objects.get(number=1)
    UpsertRow.objects.filter(pk=row.pk).update(state="unknown", sent_at=clock.now(), settled_at=clock.now())
    page = operator_client.get(reverse("admin:upserts_upsert_change", args=[upsert.pk])).content.decode()
    assert "unknown: did they happen?" in page
    listed = operator_client.get(f"/admin/upserts/upsertrow/?q={upsert.pk}&state__exact=unknown").content.decode()
    assert "Row 1" in listed
    shown = operator_client.get(reverse("admin:upserts_upsertrow_change", args=[row.pk])).content.decode()
    assert "unknown" in shown
    assert "(&#x27;unknown" not in shown, "a label is a pair, which only lists can show"
    press(operator_client, "it_happened", row)
    assert UpsertRow.objects.get(pk=row.pk).state == "unknown", "its answer may still come"
    later(monkeypatch)
    press(operator_client, "it_happened", row)
    assert UpsertRow.objects.get(pk=row.pk).state == "done"
