"""Keys of apps for the calls of modules that HighLevel does not sign: workflow actions, triggers, external auth.

The developer portal sends static headers with such calls (FACTS 14). The operator enters the key there as `HEADER`. It
stands in no URL, because URLs are in access logs. A key has 256 random bits and is sealed like the app's other secrets.
The newest two are valid: make a new one, enter it in the portal, then end the former.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import Counter
from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.core.errors import BadRequest, SignatureInvalid
from integrations.core.secret import Secret
from integrations.modules.models import ModuleKey
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.vault import columns, forget
from integrations.vault.seal import Binding, seal, unseal

HEADER = "X-Module-Key"
VALID = 2
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
_BATCH = 100


def make(app: App, *, now: datetime, by: str) -> Secret:
    """Make the app's next key. The one before it stays valid, older ones are deleted."""
    key = Secret(secrets.token_urlsafe(32))
    with transaction.atomic():
        App.objects.select_for_update().get(pk=app.pk)
        newest = keys_of(app)[:1]
        number = newest[0].number + 1 if newest else 1
        row = ModuleKey(app=app, number=number, created_at=now)
        row.key_sealed = seal(key, _binding(row))
        row.save()
        ModuleKey.objects.filter(app=app, number__lte=number - VALID).delete()
        audit.record("module_key.made", actor=by, subject=f"app:{app.highlevel_id}", number=number)
    return key


def end_former(app: App, *, by: str) -> int:
    """Delete all keys but the newest. Returns how many there were. Raises BadRequest when there is none."""
    with transaction.atomic():
        App.objects.select_for_update().get(pk=app.pk)
        former = keys_of(app)[1:]
        if not former:
            raise BadRequest(f"{app} has no former key for modules")
        ModuleKey.objects.filter(pk__in=[row.pk for row in former]).delete()
        audit.record(
            "module_key.ended", actor=by, subject=f"app:{app.highlevel_id}", numbers=[r.number for r in former]
        )
    return len(former)


def shown(app: App, *, by: str) -> Secret:
    """The newest key, for an operator who enters it in the developer portal. Raises BadRequest when there is none."""
    newest = keys_of(app)[:1]
    if not newest:
        raise BadRequest(f"{app} has no key for modules yet: manage.py modules rotate")
    audit.record("module_key.shown", actor=by, subject=f"app:{app.highlevel_id}", number=newest[0].number)
    return _opened(newest[0])


def keys_of(app: App) -> list[ModuleKey]:
    """The app's keys, the newest first."""
    return list(ModuleKey.objects.filter(app=app).select_related("app").order_by("-number"))


def check(app_name: str, given: str) -> App:
    """The app of this name, if `given` is one of its valid keys. Raises SignatureInvalid, for an unknown app too."""
    if not given:
        raise SignatureInvalid(f"the header {HEADER} with the app's key for modules is missing", reason="missing")
    refused = SignatureInvalid(f"the header {HEADER} has no valid key of this app", reason="wrong")
    if not _SHAPE.fullmatch(given):
        raise refused
    try:
        app = marketplace.find(app_name)
    except BadRequest:
        raise refused from None
    fits = [hmac.compare_digest(_opened(row).reveal(), given) for row in keys_of(app)[:VALID]]
    if not any(fits):
        raise refused
    return app


class LostModuleKeys:
    """`vault.forget.LostKeyHandler`: deletes keys for modules that a lost key of the vault sealed."""

    label = "modules.ModuleKey"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete up to 100 of them: `manage.py modules rotate` makes new ones, to be entered in the portal."""
        with transaction.atomic():
            audit.lock()
            found = columns.sealed_by(ModuleKey, key_id).select_related("app")
            rows = list(found.select_for_update(of=("self",), skip_locked=True).order_by("pk")[:_BATCH])
            for row in rows:
                subject = f"app:{row.app.highlevel_id}"
                audit.record("module_key.lost", actor=actor, subject=subject, number=row.number, key_id=key_id)
                row.delete()
        return Counter(deleted=len(rows)) if rows else Counter()


def register() -> None:
    """Register the sealed column and its handler with the vault. Called once at start-up."""
    needs = ("number", "app__client_id")
    columns.register(columns.SealedColumn(ModuleKey, "key_sealed", needs, _binding, joins=("app",)))
    forget.register(LostModuleKeys())


def _opened(row: ModuleKey) -> Secret:
    return unseal(row.key_sealed, _binding(row))


def _binding(row: ModuleKey) -> Binding:
    return Binding(owner=("module_key", row.app.client_id), field="key", generation=row.number)
