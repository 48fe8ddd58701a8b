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
    app.install_url = "https://portal.example.com/v2/oauth/chooselocation?client_id=c-1&scope=a.readonly%20b&x=1"
    app.white_label_urls = "https://white.example.com https://portal.example.com"
    app.save()
    assert [host.name for host in install_link.hosts(app)] == ["portal.example.com", "white.example.com"]
    link = urlsplit(install_link.address(app, state="s", host="white.example.com"))
    query = parse_qs(link.query)
    assert (link.netloc, link.path) == ("white.example.com", "/v2/oauth/chooselocation")
    assert (query["client_id"], query["x"], query["state"], query["scope"]) == (["c-1"], ["1"], ["s"], ["a.readonly b"])
    assert "+" not in link.query
    with pytest.raises(BadRequest, match=r"white\.example\.com"):
        install_link.address(app, state="s", host="evil.example.com")
    page = client.get("/install/", {"app": app.highlevel_id}).content.decode()
    assert "at white.example.com" in page
