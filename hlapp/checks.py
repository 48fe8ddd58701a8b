"""System checks of the deployment: settings that parse, each by itself, and are wrong together or in production.

Errors stop every command of `manage.py` but `doctor`, which shows them. Warnings are about production: only `manage.py
check --deploy` and `doctor` show them, because a development run on plain HTTP is no fault. `doctor` runs all checks
with the tag `hlapp`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.http.request import validate_host
from kombu.transport import TRANSPORT_ALIASES

from hlapp import app_imports
from integrations.core import own_apps

_PROVIDER_WORDS = ("highlevel", "gohighlevel", "leadconnector")
_ONE_FACTOR = "Operators may sign in with a password alone."
_DEVELOPMENT_TOOLS = frozenset({"integrations.sandbox", "integrations.demo"})
_OF_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


@checks.register("hlapp")
def configuration(**_: Any) -> list[checks.CheckMessage]:
    """Settings that no deployment works with, or that open it to everyone."""
    found: list[checks.CheckMessage] = []
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        hint = f"Add {host} to ALLOWED_HOSTS."
        found.append(checks.Error("Requests to PUBLIC_URL's host are refused.", hint=hint, id="hlapp.E001"))
    scheme = urlsplit(settings.CELERY_BROKER_URL).scheme
    if scheme.partition("+")[0] not in {*TRANSPORT_ALIASES, "unix"}:
        hint = "Give an URL such as redis://host:6379/0 or amqp://user:password@host//."
        found.append(checks.Error("CELERY_BROKER_URL's scheme belongs to no broker.", hint=hint, id="hlapp.E002"))
    tools = sorted(_DEVELOPMENT_TOOLS & set(settings.INSTALLED_APPS))
    if tools and not settings.DEBUG:
        hint = "Remove them from INSTALLED_APPS; DEBUG=true adds them on your own machine."
        found.append(checks.Error(f"Development tools are installed: {', '.join(tools)}.", hint=hint, id="hlapp.E003"))
    return found


@checks.register("hlapp")
def imports_of_own_apps(**_: Any) -> list[checks.CheckMessage]:
    """An own app that imports what is not public would break with an update."""
    hint = f"Import it from {' or '.join(app_imports.PUBLIC)}: all else in hlapp may change with any version."
    return [
        checks.Error(f"{place} imports {name}, which is not public.", hint=hint, id="hlapp.E004")
        for config in own_apps.configs()
        for place, name in app_imports.beyond_public(Path(config.path))
    ]


@checks.register("hlapp", deploy=True)
def production(**_: Any) -> list[checks.CheckMessage]:
    """Settings that work and that production should not have."""
    names_provider = any(word in settings.PUBLIC_URL.lower() for word in _PROVIDER_WORDS)
    no_proxy = "No reverse proxy is trusted, though PUBLIC_URL is HTTPS: rate limits count all clients as one."
    rules = (
        ("W001", not settings.HTTPS, "PUBLIC_URL is plain HTTP.", "The marketplace accepts HTTPS addresses only."),
        ("W002", names_provider, "PUBLIC_URL names the provider.", "Listings demand a neutral address."),
        ("W004", settings.DEBUG, _debug(), "Set DEBUG=false anywhere but on your own machine."),
        (
            "W006",
            settings.OPERATOR_SECOND_FACTOR != "required",
            _ONE_FACTOR,
            "Set OPERATOR_SECOND_FACTOR=required.",
        ),
        ("W005", settings.HTTPS and not settings.TRUSTED_PROXIES, no_proxy, "Set TRUSTED_PROXIES to their number."),
    )
    return [checks.Warning(text, hint=hint, id=f"hlapp.{number}") for number, applies, text, hint in rules if applies]


def _debug() -> str:
    public = sorted(set(settings.ALLOWED_HOSTS) - _OF_THIS_MACHINE)
    return f"DEBUG is on, and other machines reach {', '.join(public)}." if public else "DEBUG is on."
