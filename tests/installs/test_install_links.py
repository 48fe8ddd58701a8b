"""Scope gaps and install links without a vendor: the link's end, versions that cannot ask, marketplace hosts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.installs import consent_answer
from integrations.tenants import install_link, marketplace
from integrations.tenants.app_version import AppVersion
from integrations.tenants.forms import AppForm
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps, store
from integrations.tokens.admin_pages import consent_link
from integrations.tokens.models import Credential
from tests.sync.conftest import app as app
from tests.sync.conftest import installation as installation

pytestmark = pytest.mark.django_db


def test_a_link_expires_and_belongs_to_one_install(installation: Installation) -> None:
    row, now = installation, clock.now()
    signed = consent_link.path(row).rpartition("/")[2]
    assert consent_link.read(signed, now=now).installation == row
    with pytest.raises(BadRequest, match="expired"):
        consent_link.read(signed, now=now + timedelta(days=7))
    with pytest.raises(BadRequest, match="not made here"):
        consent_link.read(signed[:-2] + "xx", now=now)
    Installation.objects.update(generation=2)
    with pytest.raises(BadRequest, match="not installed there any more"):
        consent_link.read(signed, now=now)


def test_a_version_that_cannot_ask_for_a_scope_is_named(app: App, installation: Installation) -> None:
    App.objects.update(scopes="contacts.readonly contacts.write calendars.readonly companies.readonly")
    Installation.objects.update(version_id="v1")
    AppVersion.objects.create(
        app=app, version_id="v1", scopes="contacts.readonly contacts.write", created_at=clock.now()
    )
    row = Installation.objects.select_related("app").get()
    credential = store.get_or_create(store.location(row.app, row.resource_id), company_id="", now=clock.now())
    assert scope_gaps.of(row).missing == (), "the vendor did not name what it granted"
    Credential.objects.filter(pk=credential.pk).update(scopes="contacts.readonly")
    missing = {scope.name: scope.in_version for scope in consent_answer.missing(row)}
    assert missing == {"contacts.write": True, "calendars.readonly": False}, "companies.readonly is for agencies"
    assert list(scope_gaps.with_gaps(row.app)) == [credential]


def test_the_portals_link_is_used_as_it_is_on_every_host(app: App, client: Client, settings: Any) -> None:
    settings.HIGHLEVEL_ALLOWED_HOSTS = [*settings.HIGHLEVEL_ALLOWED_HOSTS, "portal.example.com", "white.example.com"]
    marketplace.set_secrets(app, client_secret=Secret("a secret"), shared_secret=Secret("another"))
    own = f"https://portal.example.com/v2/oauth/chooselocation?client_id={app.client_id}&scope=a.readonly%20b&x=1"
    app.install_url = own
    app.white_label_urls = "https://white.example.com https://portal.example.com"
    app.save()
    assert [host.name for host in install_link.hosts(app)] == ["portal.example.com", "white.example.com"]
    link = urlsplit(install_link.address(app, state="s", host="white.example.com"))
    query = parse_qs(link.query)
    assert (link.netloc, link.path) == ("white.example.com", "/v2/oauth/chooselocation")
    assert (query["client_id"], query["x"]) == ([app.client_id], ["1"])
    assert (query["state"], query["scope"]) == (["s"], ["a.readonly b"])
    assert "+" not in link.query
    with pytest.raises(BadRequest, match=r"white\.example\.com"):
        install_link.address(app, state="s", host="evil.example.com")
    page = client.get("/install/", {"app": app.highlevel_id}).content.decode()
    assert "at white.example.com" in page


@pytest.mark.parametrize("query", ["client_id=theirs", "client_id={own}&client_id=theirs", "client%5Fid=theirs&x=1"])
def test_an_install_link_that_is_written_leads_nobody_to_another_app(
    app: App, client: Client, settings: Any, query: str
) -> None:
    """The host is HighLevel's, so that alone says nothing: its page would ask for consent to their app."""
    settings.HIGHLEVEL_ALLOWED_HOSTS = [*settings.HIGHLEVEL_ALLOWED_HOSTS, "marketplace.gohighlevel.com"]
    marketplace.set_secrets(app, client_secret=Secret("a secret"), shared_secret=None)
    app.save()
    link = f"https://marketplace.gohighlevel.com/v2/oauth/chooselocation?{query.format(own=app.client_id)}"
    App.objects.filter(pk=app.pk).update(install_url=link)
    answer = client.get("/install/", {"app": app.highlevel_id, "go": "1"})
    assert (answer.status_code, "theirs" in answer.content.decode()) == (400, False)
    form = AppForm({"install_url": link, "client_id": app.client_id}, instance=App.objects.get(pk=app.pk))
    assert "another client id" in str(form.errors["install_url"])
