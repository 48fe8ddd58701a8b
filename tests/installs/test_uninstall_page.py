"""The page inside HighLevel uninstalls over HTTP, at the simulated vendor, and both sides agree afterwards."""

from __future__ import annotations

import pytest

from integrations.console.embed import ending
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core.errors import ScopeMissing
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from tests.installs.conftest import Worker
from tests.installs.journey import Browser
from tests.plugin.vendor import Vendor

Status = Installation.Status


def administrator(vendor: Vendor, location: str = "") -> EmbeddedUser:
    app = App.objects.get()
    return EmbeddedUser(app.pk, vendor.company, location, "user1", is_admin=True, is_agency=not location)


def installed(vendor: Vendor) -> set[str]:
    """Where the app is installed here."""
    return set(Installation.objects.installed().values_list("resource_id", flat=True))


def test_a_location_and_then_the_agency(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    browser.install()
    worker.drain()
    first, *others = vendor.locations
    ending.end(administrator(vendor, first))
    assert installed(vendor) == {vendor.company, *others}
    assert not vendor.state()["locations"][first]["installed"]
    ending.end(administrator(vendor))
    worker.drain()
    assert installed(vendor) == set()
    assert not vendor.state()["companies"][vendor.company]["installed"]
    assert not Credential.objects.filter(state=Credential.State.ACTIVE).exists()


def test_without_the_scope_nothing_changes(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    location = vendor.locations[0]
    browser.install(location)
    vendor.fault("/marketplace", "unauthorized", message="The token is not authorized for this scope.")
    with pytest.raises(ScopeMissing):
        ending.end(administrator(vendor, location))
    assert installed(vendor) == {location}
