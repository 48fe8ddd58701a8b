"""The landing page, and the templates that other rooms fill."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import Settings

from integrations.console.templatetags.scopes import scope_groups
from integrations.core import clock
from integrations.tenants.models import App

TEMPLATES = Path(settings.BASE_DIR, "hlapp/templates")
OURS = [TEMPLATES / name for name in ("base.html", "landing.html", "error.html")]
OURS += [
    *TEMPLATES.glob("installs/*"),
    *TEMPLATES.glob("embed/*"),
    *(Path(settings.BASE_DIR, "hlapp/static/site") / name for name in ("embed.js", "frame.js")),
]


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_agency_pages_name_no_provider_and_load_nothing_from_elsewhere(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"high\s?level|leadconnector|ghl", text, re.I)
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text)
    assert not re.search(r"<style|<script(?! src)|\sstyle=|\son\w+=", text)


def test_the_landing_page_leads_to_the_install_page(client: Client, app: App) -> None:
    page = client.get("/").content.decode()
    assert f'href="/install/?app={app.client_id}"' in page
    assert client.get(f"/install/?app={app.client_id}").status_code == 200


def test_a_halted_app_is_not_offered(client: Client, app: App) -> None:
    App.objects.filter(pk=app.pk).update(halted_at=clock.now())
    assert "/install/" not in client.get("/").content.decode()


@pytest.mark.django_db
def test_without_an_app_the_operator_learns_what_to_do(client: Client, settings: Settings) -> None:
    settings.HIGHLEVEL_CLIENT_ID = ""
    response = client.get("/")
    assert response.status_code == 200
    assert "/admin/tenants/app/add/" in response.content.decode()


def test_the_install_page_lists_what_the_app_asks_for(app: App) -> None:
    hosts = [SimpleNamespace(url="/install/?go=1&x=<b>", name="the marketplace")]
    page = render_to_string("installs/install.html", {"app": app, "hosts": hosts})
    assert "contacts" in page
    assert "/install/?go=1&amp;x=&lt;b&gt;" in page


@pytest.mark.parametrize(
    ("claimed", "theirs", "said"),
    [(True, True, "how far it is"), (True, False, "Names are hidden here"), (False, False, "One more step")],
)
def test_the_result_page_says_whether_a_step_is_left(claimed: bool, theirs: bool, said: str) -> None:
    """And names the account only to the browser that installed the app."""
    context = {
        "app": SimpleNamespace(name="Northwind"),
        "installation": None,
        "company": "Bright <Agency>",
        "location": None,
        "claimed": claimed,
        "is_theirs": theirs,
        "progress": SimpleNamespace(total=5, connected=5, under_way=0, failing=0),
    }
    page = render_to_string("installs/result.html", context)
    assert said in page
    assert ("Bright &lt;Agency&gt;" in page) is theirs


def test_scopes_are_grouped_by_what_they_are_about() -> None:
    groups = scope_groups(
        [
            "contacts.write",
            "contacts.readonly",
            "locations/customFields.readonly",
            "locations/tags.write",
            "oauth.write",
        ]
    )
    shown = [(group.name, group.read, group.write, group.parts) for group in groups]
    assert shown == [
        ("contacts", True, True, []),
        ("locations", True, True, ["custom fields", "tags"]),
        ("connection to your accounts", False, True, []),
    ]


def test_a_scope_of_an_unknown_kind_counts_as_reading() -> None:
    assert [(group.name, group.read) for group in scope_groups(["locations.internal-access-only", "odd"])] == [
        ("locations", True),
        ("odd", True),
    ]
