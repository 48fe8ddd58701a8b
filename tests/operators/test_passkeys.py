"""Passkeys in Chromium, whose virtual authenticator is a real WebAuthn device behind the DevTools protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from integrations.core.models import AuditEntry
from integrations.operators.models import Passkey
from tests.console.test_browser import Watched, browser, plain_http, watched
from tests.operators.conftest import SignIn

__all__ = ["browser", "plain_http", "watched"]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PASSWORD = "a long enough password"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def base(live_server: Any, settings: Settings) -> str:
    """A passkey belongs to a host name; the address of the live server has none."""
    settings.PUBLIC_URL = str(live_server).replace("127.0.0.1", "localhost")
    settings.CSRF_TRUSTED_ORIGINS = [settings.PUBLIC_URL]
    return settings.PUBLIC_URL


@pytest.fixture
def page(watched: Watched, base: str) -> Iterator[Page]:
    yield watched.page
    watched.complaints[:] = [one for one in watched.complaints if not one.startswith(f"external request: {base}")]


def give_password(page: Page, base: str) -> None:
    page.goto(f"{base}/admin/login/")
    page.fill("[name=username]", "the-viewer")
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")


def look(page: Page, name: str) -> None:
    """The page fits on a telephone and on a desk. `SCREENSHOTS` names a folder to keep pictures in, light and dark."""
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        if folder := os.environ.get("SCREENSHOTS"):
            for scheme in ("light", "dark"):
                page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark")
                page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_a_passkey_is_added_asked_for_and_removed(page: Page, base: str, sign_in: SignIn) -> None:
    sign_in("viewer")
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    device = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
    give_password(page, base)
    page.goto(f"{base}/admin/second-factor/")
    page.get_by_role("button", name="Set up an authenticator app").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    look(page, "enrolment")
    page.get_by_label("Name of the new passkey").fill("My laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    look(page, "codes")
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("My laptop")).to_be_visible()
    assert len(devtools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]) == 1

    page.get_by_label("Name of the new passkey").fill("Again")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("This device has a passkey of yours already.")).to_be_visible()

    page.context.clear_cookies()
    give_password(page, base)
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    look(page, "check")
    page.goto(f"{base}/admin/")
    expect(page.get_by_label("Password")).to_be_visible()
    give_password(page, base)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    used = Passkey.objects.get()
    assert used.used_at is not None
    assert used.sign_count > 0
    entry = AuditEntry.objects.filter(action="sign_in.succeeded").latest("id")
    assert entry.detail["by"] == "password and passkey"

    # A key whose counter has run on elsewhere was copied.
    Passkey.objects.update(sign_count=1_000_000)
    page.context.clear_cookies()
    give_password(page, base)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("not accepted")
    Passkey.objects.update(sign_count=0)
    # And one that the device does not have gives nothing.
    devtools.send("WebAuthn.clearCredentials", {"authenticatorId": device})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The browser gave no passkey.")).to_be_visible()
