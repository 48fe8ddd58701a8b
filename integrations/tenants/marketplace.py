"""Marketplace apps: look one up, sync the first with the `HIGHLEVEL_*` settings, halt and resume its refreshes.

The settings are authoritative for the first app, the admin pages for all others. Each process copies the settings to
the row once, at the first look-up, so that a changed secret takes effect with the restart that brought it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.forms import model_to_dict

from integrations.core import audit, clock
from integrations.core.errors import BadRequest, ClientRejected, SealBroken
from integrations.core.secret import Secret
from integrations.highlevel.oauth.client import ClientIdentity
from integrations.tenants.models import App
from integrations.vault import columns
from integrations.vault.seal import Binding, address_of, seal, unseal

log = structlog.get_logger(__name__)

PROBE_EVERY = timedelta(minutes=5)  # a halted app is tried again, in case the vendor was wrong

SECRET_NEEDED = "enter it on the app's admin page, or set HIGHLEVEL_CLIENT_SECRET and restart"  # noqa: S105

# The columns that `set_secrets` changes. Save them only after that call: the vault may be re-sealing the row.
SECRET_COLUMNS = frozenset(
    {"client_secret_sealed", "shared_secret_sealed", "secret_generation", "halted_at", "halted_reason"}
)

_FROM_SETTINGS = frozenset(
    {"highlevel_id", "version_id", "scopes", "api_url", "marketplace_url", "install_url", "white_label_urls"}
)

_settings_copied: set[tuple[str, str]] = set()  # (client id, API URL) whose row has the settings of this process
_lock = threading.Lock()


def reset() -> None:
    """Copy the settings to the row again at the next look-up, as a new or forked process does."""
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it at the fork
    _lock = threading.Lock()
    _settings_copied.clear()


os.register_at_fork(after_in_child=reset)


def default() -> App:
    """The app of the settings, or the only one there is. Raises BadRequest when none is configured."""
    _ensure_settings_copied()
    found = App.objects.filter(client_id=settings.HIGHLEVEL_CLIENT_ID).first()
    found = found or App.objects.order_by("id").first()
    if found is None:
        raise BadRequest("no marketplace app is configured: set HIGHLEVEL_CLIENT_ID and HIGHLEVEL_CLIENT_SECRET")
    return found


def find(name: str | None) -> App:
    """An app by its HighLevel app id or client id; the default one for None. Raises BadRequest when unknown."""
    if not name:
        return default()
    if not name.isprintable():
        raise BadRequest(f"{name!r} is not the id of a marketplace app")
    _ensure_settings_copied()
    found = App.objects.filter(highlevel_id=name).first() or App.objects.filter(client_id=name).first()
    if found is None:
        raise BadRequest(f"there is no marketplace app {name!r} here", app=name)
    return found


def identity(app: App) -> ClientIdentity:
    """The client id and secret for the token endpoint; the secret is unsealed for one use.

    Raises ClientRejected, before anything is sent, for an app without a secret, because its key was lost; SealBroken
    when `api_url` is another address than the one that the secret was sealed for.
    """
    if app.client_secret_sealed is None:
        raise ClientRejected(f"the client secret of {app} is not stored: {SECRET_NEEDED}", app=app.highlevel_id)
    return ClientIdentity(
        client_id=app.client_id,
        client_secret=unseal(app.client_secret_sealed, _client_binding(app)),
        redirect_uri=redirect_uri(app),
        api_url=app.api_url,
        dialect=app.dialect_name,
    )


def has_proven_address(app: App) -> bool:
    """Whether the client secret was sealed for `api_url`, so that it was not changed in the database alone."""
    if app.client_secret_sealed is None:
        return False
    try:
        return address_of(app.client_secret_sealed) == app.api_url and bool(identity(app).client_secret)
    except SealBroken:
        return False


def redirect_uri(app: App) -> str:
    """The redirect URI to register in the developer portal. Only the first app's has no `?app=<app id>`.

    In a callback of an install that starts in the marketplace, nothing else names the app (FACTS section 2).
    """
    uri = f"{settings.PUBLIC_URL}/oauth/callback"
    first = settings.HIGHLEVEL_CLIENT_ID or app.client_id
    return uri if app.client_id == first else f"{uri}?app={app.highlevel_id}"


def shared_secret(app: App) -> Secret | None:
    """The secret with which the vendor encrypts page SSO data; None for an app without one."""
    if app.shared_secret_sealed is None:
        return None
    return unseal(app.shared_secret_sealed, _binding(app, "shared_secret"))


def set_secrets(app: App, *, client_secret: Secret, shared_secret: Secret | None) -> None:
    """Seal both secrets under the app's next generation, the client secret for `app.api_url`. The caller saves.

    This ends a halt, because new secrets cure it.
    """
    app.secret_generation = (app.secret_generation or 0) + 1
    app.client_secret_sealed = seal(client_secret, _client_binding(app))
    app.shared_secret_sealed = seal(shared_secret, _binding(app, "shared_secret")) if shared_secret else None
    app.halted_at, app.halted_reason = None, ""


def halt(app: App, reason: str, *, now: datetime) -> None:
    """Stop this app's refreshes, because the vendor refused our client id or secret.

    The first refusal is logged and recorded in the audit trail; a later one only restarts the five minutes.
    """
    if App.objects.filter(pk=app.pk, halted_at__isnull=True).update(halted_at=now, halted_reason=reason[:300]):
        audit.record("app.halted", actor="system", subject=f"app:{app.highlevel_id}", reason=reason[:300])
        log.error("app.halted", app=app.highlevel_id, reason=reason, then="correct HIGHLEVEL_CLIENT_SECRET")
    App.objects.filter(pk=app.pk).update(halted_at=now)


def is_halted(app: App, now: datetime) -> bool:
    """Whether the app's refreshes are stopped. Five minutes after the last refusal one of them may try."""
    return app.halted_at is not None and now - app.halted_at < PROBE_EVERY


def resume(app: App) -> None:
    """End the halt: the vendor accepts our client id and secret again."""
    if app.halted_at is None:
        return
    if App.objects.filter(pk=app.pk, halted_at__isnull=False).update(halted_at=None, halted_reason=""):
        audit.record("app.resumed", actor="system", subject=f"app:{app.highlevel_id}")


def register() -> None:
    """Register the sealed columns with the vault, which counts and re-seals them."""
    needs = ("client_id", "secret_generation", "api_url")
    columns.register(
        columns.SealedColumn(App, "client_secret_sealed", needs, _client_binding, is_sent=True),
        columns.SealedColumn(App, "shared_secret_sealed", needs, lambda app: _binding(app, "shared_secret")),
    )


def _shared(app: App) -> Secret:
    return shared_secret(app) or Secret("")


def _binding(app: App, field: str) -> Binding:
    return Binding(owner=("app", app.client_id), field=field, generation=app.secret_generation)


def _client_binding(app: App) -> Binding:
    """The client secret is sent to the API address, and to no other."""
    return replace(_binding(app, "client_secret"), address=app.api_url)


def _ensure_settings_copied() -> None:
    key = (settings.HIGHLEVEL_CLIENT_ID, settings.HIGHLEVEL_API_URL)
    if not settings.HIGHLEVEL_CLIENT_ID or key in _settings_copied:
        return
    with _lock:
        app = App.objects.filter(client_id=settings.HIGHLEVEL_CLIENT_ID).first() or App(
            client_id=settings.HIGHLEVEL_CLIENT_ID, name="Our app", created_at=clock.now()
        )
        try:
            with transaction.atomic():
                _copy_settings(app)
        except IntegrityError:
            return  # another process has just created the row, from the same settings
        # Only once the row is committed: the caller's transaction may yet be rolled back.
        transaction.on_commit(lambda: _settings_copied.add(key))


def _copy_settings(app: App) -> None:
    """Write the columns that the settings define, and no other: the vault may be re-sealing the row at this moment."""
    before = model_to_dict(app, fields=sorted(_FROM_SETTINGS))
    app.highlevel_id = app.client_id.partition("-")[0]
    app.version_id = app.version_id or app.highlevel_id
    app.scopes = " ".join(settings.HIGHLEVEL_SCOPES)
    app.api_url = settings.HIGHLEVEL_API_URL
    app.marketplace_url = settings.HIGHLEVEL_MARKETPLACE_URL
    app.install_url = settings.HIGHLEVEL_INSTALL_URL
    app.white_label_urls = " ".join(settings.HIGHLEVEL_WHITE_LABEL_URLS)
    client, shared = Secret(settings.HIGHLEVEL_CLIENT_SECRET), Secret(settings.HIGHLEVEL_SHARED_SECRET)
    secrets_changed = not _has_client_secret(app, client) or _shared(app) != shared
    if secrets_changed:
        set_secrets(app, client_secret=client, shared_secret=shared or None)
    if app._state.adding:  # noqa: SLF001 - documented by Django
        app.save()
        return
    app.save(update_fields=_FROM_SETTINGS | (SECRET_COLUMNS if secrets_changed else set()))
    changed = audit.changes(before, model_to_dict(app, fields=sorted(_FROM_SETTINGS)))
    if changed or secrets_changed:
        record_change(app, changed, secrets_changed=secrets_changed, actor="environment")


def record_change(app: App, changed: audit.Changes, *, secrets_changed: bool, actor: str, is_new: bool = False) -> None:
    """Write the audit entry of an added or edited app: old and new value of each field, and no secret."""
    action = "app.added" if is_new else "app.changed"
    subject = f"app:{app.highlevel_id}"
    audit.record(action, actor=actor, subject=subject, changed=changed, secrets_changed=secrets_changed)


def _has_client_secret(app: App, secret: Secret) -> bool:
    """Whether this client secret is stored for the app's present address."""
    try:
        return identity(app).client_secret == secret
    except (ClientRejected, SealBroken):
        return False
