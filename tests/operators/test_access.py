"""What each role may open and do, as one table. A new page or action without a line here fails.

V is the viewer, S support, O the operator, W the owner. `nobody` is staff without a role, and has no letter: it opens
only what is marked `ANY`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, reverse

from integrations.core import masking
from integrations.core.admin import ReadOnlyAdmin
from integrations.core.models import AuditEntry
from integrations.operators import roles
from integrations.operators import urls as own_pages
from integrations.tenants.models import Installation
from integrations.webhooks.models import Event
from tests.operators.conftest import EMAIL, NAME, NOBODY, PERSONAL, PHONE, PROSE, SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]

ROLES = {"V": "viewer", "S": "support", "O": "operator", "W": "owner"}
ALL, ANY = "VSOW", "VSOW-"  # ANY: nobody, too

# model: who may see its list and its rows, add, delete
MODELS = {
    "tenants.Installation": (ALL, "", ""),
    "tenants.Company": (ALL, "", ""),
    "tenants.Location": (ALL, "", ""),
    "tenants.App": (ALL, "W", "W"),
    "tenants.AppVersion": (ALL, "", ""),
    "tenants.InstallationChange": (ALL, "", ""),
    "tokens.Credential": (ALL, "OW", ""),
    "sync.Plan": (ALL, "", ""),
    "sync.Run": (ALL, "", ""),
    "sync.Record": (ALL, "", ""),
    "exports.Export": (ALL, "", ""),
    "upserts.Upsert": (ALL, "", ""),
    "upserts.UpsertRow": (ALL, "", ""),
    "jobs.Run": (ALL, "", ""),
    "jobs.Schedule": (ALL, "", ""),
    "jobs.JobState": (ALL, "", ""),
    "jobs.Trigger": (ALL, "", ""),
    "jobs.Write": (ALL, "", ""),
    "outbox.TenantOutbox": (ALL, "", ""),
    "outbox.Entry": (ALL, "", ""),
    "gateway.Usage": (ALL, "", ""),
    "gateway.Call": (ALL, "", ""),
    "webhooks.Event": (ALL, "", ""),
    "webhooks.Mailbox": (ALL, "", ""),
    "webhooks.Answers": (ALL, "", ""),
    "modules.TriggerSubscription": (ALL, "", ""),
    "quota.Usage": (ALL, "", ""),
    "quota.Parked": (ALL, "", ""),
    "privacy.Purge": (ALL, "", ""),
    "core.AuditEntry": ("OW", "", ""),
    "core.BulkAction": (ALL, "", ""),
    "problems.Problem": (ALL, "", ""),
    "core.WorkerProcess": (ALL, "", ""),
    "auth.User": ("W", "W", "W"),
    "auth.Group": ("W", "W", "W"),
    "operators.OperatorSession": (ANY, "", ""),  # the own ones
}
# Pages beside these, by the name of the URL.
PAGES = {
    "index": ANY,  # without figures: see below
    "app_list": ALL,
    "search": ANY,  # finds names of lists: see below
    "login": ANY,
    "logout": ANY,
    "password_change": ANY,
    "password_change_done": ANY,
    "jsi18n": ANY,
    "autocomplete": "",
    "view_on_site": "",
    "gateway_explore": "OW",
    "gateway_explore_path": "OW",
    "gateway_explore_operation": "OW",
    "quota_resource": ALL,
    "exports_export_new": "OW",
    "exports_export_file": "OW",
    "exports_export_part": "OW",
    "upserts_upsert_new": "OW",
    "upserts_upsert_results": "OW",
    "sync_plan_choose": ALL,  # the change: OW, below
    "sync_plan_adaptive": "OW",
    "sync_plan_variant": "OW",
    "tenants_appversion_csv": ALL,
    "auth_user_password_change": "W",
    "auth_user_reset_second_factor": "W",
    "privacy_purge_ask": "OW",
    "tenants_installation_purge": "OW",
    "problems_timeline": ALL,
    "core_workerprocess_variables": ALL,
    "core_workerprocess_alerts": ALL,  # its actions: see test_alerts_page
    "core_workerprocess_safekeeping": ALL,  # its actions: see test_safekeeping
    # What the forms on a problem's page post to.
    "tenants_company_note": "SOW",
    "tenants_location_note": "SOW",
    "problems_problem_again": "SOW",
    "problems_problem_mute": "SOW",
    "problems_problem_assign": "SOW",
    # Dialogs of actions on one row.
    "privacy_purge_cancel": "OW",
    "tenants_installation_release": "OW",
    "tenants_installation_clean_up": "OW",
    "tokens_credential_refresh_this": "SOW",
    "tokens_credential_mint_this": "SOW",
    "tokens_credential_suspend_this": "SOW",
}
ACTIONS = {
    "core.BulkAction cancel": "SOW",
    "problems.Problem take": "SOW",
    "problems.Problem give_up": "SOW",
    "problems.Problem mute_for_a_day": "SOW",
    "problems.Problem call_fixed": "SOW",
    "problems.Problem open_again": "SOW",
    "tenants.Installation claim_here": "SOW",
    "tenants.Installation reconcile_now": "SOW",
    "tenants.InstallationChange call_again": "SOW",
    "tenants.InstallationChange discard": "OW",
    "tokens.Credential refresh_now": "SOW",
    "tokens.Credential mint_again": "SOW",
    "tokens.Credential suspend": "SOW",
    "tokens.Credential test_token": "SOW",
    "tokens.Credential give_up": "OW",
    "tokens.Credential disconnect": "OW",
    "sync.Plan run_now": "SOW",
    "sync.Plan run_in_full": "SOW",
    "sync.Plan repair": "SOW",
    "sync.Plan pause": "SOW",
    "sync.Plan go_on": "SOW",
    "sync.Plan discard": "OW",
    "sync.Run cancel": "SOW",
    "sync.Run run_again": "SOW",
    "sync.Run delete_held_back": "OW",
    "sync.Run discard": "OW",
    **{f"exports.Export {name}": "OW" for name in ("run_now", "pause", "go_on", "cancel_run", "begin_again", "remove")},
    **{f"upserts.Upsert {name}": "OW" for name in ("start", "cancel", "resume", "price_again", "remove")},
    "upserts.UpsertRow it_happened": "OW",
    "upserts.UpsertRow it_did_not_happen": "OW",
    "jobs.Run run_again": "SOW",
    "jobs.Run resume": "SOW",
    "jobs.Run cancel": "SOW",
    "jobs.Run it_happened": "SOW",
    "jobs.Run it_did_not_happen": "SOW",
    "jobs.Run discard": "OW",
    "jobs.Write it_happened": "SOW",
    "jobs.Write it_did_not_happen": "SOW",
    "outbox.TenantOutbox pause": "OW",
    "outbox.TenantOutbox resume": "OW",
    "outbox.Entry it_happened": "SOW",
    "outbox.Entry it_did_not_happen": "SOW",
    "outbox.Entry send_again": "SOW",
    "outbox.Entry put_again": "SOW",
    "outbox.Entry replay": "OW",
    "outbox.Entry discard": "OW",
    "jobs.Schedule run_at_once": "OW",
    "jobs.Schedule switch_on": "OW",
    "jobs.Schedule switch_off": "OW",
    "jobs.Schedule discard": "OW",
    "jobs.JobState pause": "OW",
    "jobs.JobState resume": "OW",
    "jobs.Trigger run_again": "SOW",
    "jobs.Trigger discard": "OW",
    "webhooks.Event process_again": "SOW",
    "webhooks.Event discard": "OW",
    "modules.TriggerSubscription discard": "OW",
    "quota.Parked start_next": "SOW",
    "quota.Parked drop": "OW",
    "tenants.App delete_selected": "W",
    "operators.OperatorSession end": ANY,
    "auth.User delete_selected": "W",
    "auth.Group delete_selected": "W",
}
# No dialog for a row in this state, whatever the role: the credential needs a reconnect.
UNFIT = {"tokens_credential_mint_this", "tokens_credential_suspend_this"}


def patterns(found: Any = None) -> Iterator[URLPattern]:
    for one in admin.site.urls[0] if found is None else found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


def expected() -> dict[str, str]:
    """Who may open each page, by the name of its URL."""
    table = dict(PAGES)
    for label, (view, add, delete) in MODELS.items():
        stem = label.lower().replace(".", "_")
        table |= {f"{stem}_{page}": view for page in ("changelist", "change", "history", "export")}
        table |= {f"{stem}_add": add, f"{stem}_delete": delete}
    return table


def address(pattern: URLPattern, rows: dict[str, Any]) -> str | None:
    """The address of a page; None where there is no row for it."""
    name, values = str(pattern.name), {}
    for parameter in pattern.pattern.converters or pattern.pattern.regex.groupindex:
        values[parameter] = _value(name, parameter, rows)
    if None in values.values():
        return None
    query = {"search": "?s=e", "gateway_explore_path": "?method=GET&path=/contacts/"}.get(name, "")
    return reverse(f"admin:{name}", kwargs=values or None) + query


def _value(name: str, parameter: str, rows: dict[str, Any]) -> Any:
    if parameter == "app_label":
        return "tenants"
    if name == "privacy_purge_ask":
        return {"kind": "Location", "tenant_id": "loc1"}[parameter]
    if parameter == "key":
        return "contacts.get-contact" if name.startswith("gateway") else "app:loc1"
    if name == "view_on_site":
        return 1
    if name in ("exports_export_file", "exports_export_part"):
        part = rows["exports.Export"].runs.get().parts.get()
        return {"run_id": part.run_id, "resource": part.resource, "number": part.number}[parameter]
    if name == "upserts_upsert_results":
        return rows["upserts.Upsert"].pk
    labels = {label.lower().replace(".", "_"): label for label in MODELS}
    label = next((labels[stem] for stem in sorted(labels, key=len, reverse=True) if name.startswith(stem + "_")), "")
    return rows[label].pk if label in rows else None


def is_open(answer: Any) -> bool:
    """Whether it is the page, or leads to one of another name; a row that may not be seen leads to the dashboard."""
    return answer.status_code == 200 or (answer.status_code == 302 and answer["Location"] != "/admin/")


def letters(opened: dict[str, bool]) -> str:
    return "".join(letter for letter, role in [*ROLES.items(), ("-", NOBODY)] if opened[role])


@pytest.mark.slow  # six hundred pages
@pytest.mark.usefixtures("unrendered")
def test_every_page_opens_for_its_roles_and_for_nobody_else(people: dict[str, Any], sign_in: SignIn) -> None:
    clients = {role: sign_in(role) for role in [*ROLES.values(), NOBODY]}
    rows = people | {"auth.User": User.objects.get(username="the-viewer"), "auth.Group": Group.objects.all()[0]}
    found, unreached = {}, []
    for pattern in patterns():
        if not pattern.name or pattern.name in ("login", "logout"):
            continue  # the old addresses of rows, which redirect; and what is open to strangers
        if (url := address(pattern, rows)) is None:
            unreached.append(pattern.name)
            continue
        answers = {role: client.get(url) for role, client in clients.items()}
        assert {answer.status_code for answer in answers.values()} <= {200, 302, 403, 404}, pattern.name
        found[pattern.name] = letters({role: is_open(answer) for role, answer in answers.items()})
    table = {name: allowed for name, allowed in expected().items() if name not in ("login", "logout")}
    wanted = {name: "" if name in UNFIT else allowed for name, allowed in table.items() if name not in unreached}
    assert found == wanted
    without_rows = (
        "core_workerprocess",
        "gateway_usage",
        "quota_usage",
        "operators_operatorsession",
    )  # of sessions see test_sessions
    assert set(unreached) == {f"{stem}_{page}" for stem in without_rows for page in ("change", "delete", "history")}


def test_every_action_is_offered_to_its_roles_and_to_nobody_else(sign_in: SignIn) -> None:
    offered: dict[str, dict[str, bool]] = {}
    for role in [*ROLES.values(), NOBODY]:
        sign_in(role)
        request = RequestFactory().get("/admin/")
        request.user = User.objects.get(username=f"the-{role}")
        for model, page in admin.site._registry.items():
            for _, name, _ in page._get_base_actions():
                offered.setdefault(f"{model._meta.label} {name}", {})[role] = name in page.get_actions(request)
    found = {name: letters(by_role) for name, by_role in offered.items()}
    assert {name: allowed for name, allowed in found.items() if allowed} == ACTIONS
    never = {name for name, allowed in found.items() if not allowed}
    assert {name.rpartition(" ")[2] for name in never} <= {"delete_selected"}


def test_an_action_that_is_not_offered_is_not_done_when_it_is_posted(people: dict[str, Any], sign_in: SignIn) -> None:
    event = people["webhooks.Event"]
    post = {"action": "process_again", "_selected_action": [event.pk]}
    sign_in("viewer").post("/admin/webhooks/event/", post)
    assert Event.objects.get(pk=event.pk).status == "poisoned"
    sign_in("support").post("/admin/webhooks/event/", post)
    assert Event.objects.get(pk=event.pk).status == "pending"


def test_staff_without_a_role_see_an_empty_dashboard_no_lists_and_no_metrics(
    people: dict[str, Any], sign_in: SignIn
) -> None:
    client = sign_in(NOBODY)
    page = client.get("/admin/")
    assert (page.context["cards"], page.context["may"], page.context["failures"]) == ([], [], [])
    text = page.content.decode()
    assert "Ask an owner for a role" in text
    assert not re.search(r"loc1|cmp1|Studio|Bright|Quota used", text)
    assert {one.title for one in client.get("/admin/search/?s=e").context["results"]} == {"Sessions"}, "the own ones"
    assert client.get("/metrics").status_code == 401
    assert sign_in("viewer").get("/metrics").status_code == 200


@pytest.mark.slow
def test_each_card_and_panel_asks_for_its_own_permission(people: dict[str, Any], sign_in: SignIn) -> None:
    client = sign_in(NOBODY)
    user = User.objects.get(username=f"the-{NOBODY}")
    shown = {}
    for name in (
        "sync.view_run",
        "tokens.view_credential",
        "webhooks.view_event",
        "quota.view_usage",
        "gateway.view_call",
    ):
        app, codename = name.split(".")
        user.user_permissions.set(Permission.objects.filter(content_type__app_label=app, codename=codename))
        context = client.get("/admin/").context
        kinds = {one["row"].what.partition(" ")[0] for one in context["failures"]}
        shown[name] = ([card.title for card in context["cards"]], sorted(context["may"]), kinds)
    assert shown == {
        "sync.view_run": (["Syncs under way"], ["failures", "runs"], {"sync"}),
        "tokens.view_credential": (["Credential problems"], ["failures", "tracker"], {"credential"}),
        "webhooks.view_event": (["Events pending"], ["failures"], {"event"}),
        "quota.view_usage": ([], ["quotas"], set()),
        "gateway.view_call": ([], ["failed_calls"], set()),
    }


def test_pages_that_show_rows_take_no_form_that_changes_them(people: dict[str, Any], sign_in: SignIn) -> None:
    """Support could have a form of a plan delete records of a resource that was left out: that is an operator's."""
    sign_in("owner")
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username="the-owner")
    shown = {model._meta.label: page for model, page in admin.site._registry.items() if isinstance(page, ReadOnlyAdmin)}
    assert [label for label, page in shown.items() if page.has_change_permission(request)] == []
    plan = people["sync.Plan"]
    form = {"drop_due_at_0": "2026-01-01", "drop_due_at_1": "00:00:00", "fields": "{}", "filters": "{}", "position": ""}
    answer = sign_in("support").post(f"/admin/sync/plan/{plan.pk}/change/", form | {"enabled": ""})
    assert answer.status_code == 403
    before = type(plan).objects.filter(pk=plan.pk).values().get()
    assert (before["drop_due_at"], before["enabled"]) == (None, plan.enabled)


@pytest.mark.slow
@pytest.mark.timeout(900)  # three hundred pages, half a minute on an idle machine
def test_support_and_viewers_see_personal_data_masked_everywhere(people: dict[str, Any], sign_in: SignIn) -> None:
    """Every page, list, dashboard and export is read for each role."""
    seen: dict[str, set[str]] = {}
    for role in ("support", "operator"):  # viewers open fewer pages than support, and lack the same permission
        client, seen[role] = sign_in(role), set()
        for pattern in patterns():
            url = address(pattern, people) if pattern.name and pattern.name not in ("login", "logout") else None
            if url is None:
                continue
            answer = client.get(url)
            text = answer.getvalue().decode() if answer.streaming else answer.content.decode()  # type: ignore[attr-defined]
            seen[role] |= {f"{pattern.name}: {one}" for one in PERSONAL if one in text}
    assert seen["support"] == set()
    assert masking.PERMISSION not in roles.permissions(roles.Role.VIEWER)
    pages = {one.partition(":")[0] for one in seen["operator"]}
    assert pages >= {
        "index",
        "tenants_appversion_csv",
        "tenants_installation_change",
        "tenants_installationchange_changelist",
        "sync_record_change",
        "sync_run_change",
        "jobs_run_change",
        "jobs_trigger_changelist",
        "gateway_call_change",
        "webhooks_event_change",
        "webhooks_event_changelist",
        "quota_parked_changelist",
        "tokens_credential_change",
        "core_auditentry_change",
    }
    assert Installation.objects.get(pk=people["tenants.Installation"].pk).installer["companyEmail"] == EMAIL, (
        "masked in show only"
    )


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"id": "c1", "email": EMAIL, "tags": ["vip"]}, {"id": "c1", "email": "•••", "tags": ["•••"]}),
        ({"contactId": EMAIL}, {"contactId": "•••"}),
        (
            {"dateAdded": "2026-01-02T03:04:05Z", "dnd": False, "n": 5, "x": None},
            {"dateAdded": "2026-01-02T03:04:05Z", "dnd": False, "n": "•••", "x": None},
        ),
        ({"type": NAME}, {"type": "•••"}),
        ({"dateOfBirth": "1971-02-28", "birthDate": "1971-02-28"}, {"dateOfBirth": "•••", "birthDate": "•••"}),
        ([NAME, {"status": "open", "phones": [PHONE]}], ["•••", {"status": "open", "phones": ["•••"]}]),
        (NAME, "•••"),
        ("", ""),
    ],
)
def test_a_body_keeps_its_structure_ids_states_and_dates(value: Any, masked: Any) -> None:
    assert masking.body(value) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (PROSE, "duplicate of •••, call •••"),
        ("(555) 010-7788 or 555.010.7788", "••• or •••"),
        ("at 2026-11-29 19:03:11, run 12345678901, 40 of 100", "at 2026-11-29 19:03:11, run 12345678901, 40 of 100"),
        ("trace 3f2a-11-22-9c, 429 after 10 s", "trace 3f2a-11-22-9c, 429 after 10 s"),
    ],
)
def test_prose_loses_addresses_and_numbers_of_phones(text: str, masked: str) -> None:
    assert masking.text(text) == masked


def test_the_groups_of_the_roles_are_kept_current() -> None:
    viewers = Group.objects.get(name="viewer")
    viewers.permissions.set(Permission.objects.filter(codename="add_user"))
    Group.objects.filter(name="owner").delete()
    other = Group.objects.create(name="night shift")
    roles.write()
    names = {
        role: {f"{p.content_type.app_label}.{p.codename}" for p in roles.of(role).permissions.all()}
        for role in roles.Role
    }
    assert names == {role: roles.permissions(role) for role in roles.Role}, "all of them exist, and no others"
    assert names["viewer"] < names["support"] < names["operator"] < names["owner"]
    assert not other.permissions.exists()
    assert Client().get("/admin/").status_code == 302
    assert AuditEntry.objects.count() == 0


def test_the_pages_of_ones_own_account_are_for_all_staff_and_for_no_stranger(sign_in: SignIn) -> None:
    opened = {}
    for pattern in own_pages.urlpatterns:
        address = reverse(f"operators:{pattern.name}")
        answers = sign_in_once(sign_in).get(address), Client().get(address)
        opened[pattern.name] = tuple(answer.status_code for answer in answers)
    assert opened == {
        "sign-in": (302, 200),
        "second-factor-check": (302, 302),  # to the sign-in: no password was given
        "second-factor": (200, 302),
        "openid": (404, 404),
        "openid-callback": (404, 404),  # without a provider
        "sign-out": (405, 405),
        "password-change": (200, 302),
    }


def sign_in_once(sign_in: SignIn) -> Client:
    User.objects.filter(username=f"the-{NOBODY}").delete()
    return sign_in(NOBODY)
