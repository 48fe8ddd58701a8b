"""Django's own page of an exception, as a developer sees it under DEBUG: the story, and no secret in it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import technical_500_response
from pytest_django import Settings

REFRESH = "3f1c9a7e-canary-refresh-token-of-a-company"
SECRETS = {
    "CLIENT_SECRET": "canary-client-secret-77aa",
    "DATABASE": "canary-database-password",
    "REDIS": "canary-redis-password",
    "BROKER": "canary-broker-password",
    "VAULT": "Y2FuYXJ5LXZhdWx0LWtleS0tLS0tLS0tLS0tLS0tLS0=",
    "ELSEWHERE": "canary-of-somebody-elses-variable",
    "CODE": "canary-authorization-code",
    "COOKIE": "canary-session-cookie",
    "FORM": "canary-in-a-form",
    "BEARER": "canary.bearer.token",
    "QUOTED": "canary-in-a-message",
}
ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://hlapp:{SECRETS['DATABASE']}@db:5432/hlapp",
    "REDIS_URL": f"redis://:{SECRETS['REDIS']}@cache:6379/0",
    "CELERY_BROKER_URL": f"amqp://us%40er:{SECRETS['BROKER']}@broker/",
    "VAULT_KEYS": f"k1:{SECRETS['VAULT']}",
    "HIGHLEVEL_CLIENT_SECRET": SECRETS["CLIENT_SECRET"],
    "SOME_COMPANY_PIN": SECRETS["ELSEWHERE"],
}


@pytest.fixture(autouse=True)
def a_developers_settings(settings: Settings) -> None:
    settings.DEBUG = True
    settings.REDIS_URL, settings.CELERY_BROKER_URL = ENVIRONMENT["REDIS_URL"], ENVIRONMENT["CELERY_BROKER_URL"]
    settings.HIGHLEVEL_CLIENT_SECRET = SECRETS["CLIENT_SECRET"]
    settings.VAULT_KEYS = [ENVIRONMENT["VAULT_KEYS"]]
    settings.DATABASES_OF_OLD = {"default": {"PASSWORD": SECRETS["DATABASE"], "URLS": [ENVIRONMENT["DATABASE_URL"]]}}


def view(refresh_token: str, held: Any) -> None:
    try:
        raise ConnectionError(f"no answer with password={SECRETS['QUOTED']} host=db")
    except ConnectionError as error:
        raise RuntimeError(f"cannot reach {ENVIRONMENT['REDIS_URL']}") from error


def page(accept: str) -> str:
    request: HttpRequest = RequestFactory().post(
        f"/oauth/callback?code={SECRETS['CODE']}&app=abc",
        {"value": SECRETS["FORM"]},
        headers={"Authorization": f"Bearer {SECRETS['BEARER']}", "Accept": accept, "X-Seen": "the request's own"},
        **ENVIRONMENT,
    )
    request.COOKIES["anything"] = SECRETS["COOKIE"]
    try:
        view(REFRESH, [{"nested": SECRETS["CLIENT_SECRET"]}])
    except RuntimeError:
        return technical_500_response(request, *sys.exc_info()).content.decode()
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_it_tells_the_story_and_no_secret(accept: str) -> None:
    shown = page(accept)
    assert "RuntimeError" in shown
    assert "test_error_report.py" in shown
    assert "X_SEEN" in shown
    assert "DATABASES_OF_OLD" in shown, "a setting is named"
    assert not [name for name, secret in SECRETS.items() if secret in shown]
    assert REFRESH not in shown
    assert "SOME_COMPANY_PIN" not in shown, "of the environment nothing is shown, not even names"
