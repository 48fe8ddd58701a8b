"""The policies every answer carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from unfold.settings import CONFIG_DEFAULTS as UNFOLD

from hlapp.admin_theme import PRIMARY

pytestmark = pytest.mark.django_db


def policy(client: Client, path: str) -> dict[str, str]:
    header = client.get(path)["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.parametrize("path", ["/", "/install/", "/no-such-page", "/healthz"])
def test_our_pages_run_nothing_inline_and_are_never_framed(client: Client, path: str) -> None:
    rules = policy(client, path)
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    response = client.get(path)
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in response["Permissions-Policy"]


@pytest.mark.slow
def test_the_admin_evaluates_nothing_and_has_no_inline_script_or_sheet(client: Client) -> None:
    rules = policy(client, "/admin/login/")
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["style-src-attr"] == "'unsafe-inline'", "the theme's elements have such attributes"
    assert rules["frame-ancestors"] == "'none'"
    client.force_login(User.objects.create_superuser("root", password="a-password-1"))
    for path in ("/admin/login/", "/admin/", "/admin/sync/record/", "/admin/tenants/app/add/"):
        page = client.get(path, follow=True).content.decode()
        assert "<style" not in page
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*\btype=\"application/json\")", page)
        assert "site/theme.css" in page


def test_the_sheet_has_the_colours_of_the_theme() -> None:
    """The theme would write them into every page. An update of it may bring others."""
    sheet = (Path(settings.BASE_DIR) / "hlapp/static/site/theme.css").read_text(encoding="utf-8")
    scales = UNFOLD["COLORS"] | {"primary": PRIMARY}
    colours = {f"--color-{name}-{key}": value for name, scale in scales.items() for key, value in scale.items()}
    assert dict(re.findall(r"(--[\w-]+): ([^;]+);", sheet)) == colours


def test_plain_http_is_redirected_but_for_probes_and_webhooks(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    moved = client.get("/install/")
    assert (moved.status_code, moved["Location"]) == (301, "https://testserver/install/")
    for path in ("/healthz", "/healthz/", "/webhooks", "/webhooks/app"):
        assert client.get(path).status_code == 200, path
    page = client.get("/install/", headers={"X-Forwarded-Proto": "https"})
    assert (page.status_code, page["Strict-Transport-Security"]) == (200, "max-age=31536000")


@pytest.mark.parametrize(("https", "frames"), [(True, "https:"), (False, "*")])
def test_the_embedded_page_may_be_framed_by_any_white_label_host(
    client: Client, settings: Settings, https: bool, frames: str
) -> None:
    settings.HTTPS = https
    assert policy(client, "/embed/")["frame-ancestors"] == frames
    assert "X-Frame-Options" not in client.get("/embed/")
    assert policy(client, "/embed/")["script-src"] == "'self'"
