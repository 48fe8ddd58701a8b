"""Seals cover second factors and links to an identity provider, and have the number of their audit entry.

Factors and links are sealed as they are found, of accounts whose seal of before fits; others stay refused. Secrets of
authenticator apps are bound to their moment. The seals get the number of the trail's end, so that entries about later
ones are newer.
"""

import hashlib
import hmac
import json

from django.db import migrations, models

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.vault import keys
from integrations.vault.seal import Binding, seal_under, unseal_with


def digest(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def microseconds(moment):
    return int(moment.timestamp() * 1_000_000)


def binding(user_id, field, generation):
    return Binding(owner=("operator", str(user_id)), field=field, generation=generation)


def bind_apps(apps, ring):
    for row in apps.get_model("operators", "TotpSecret").objects.all():
        try:
            text = unseal_with(ring, row.secret_sealed, binding(row.user_id, "totp", 1))
        except SealBroken:
            continue  # it opened in no release; `vault forget` removes it
        bound = binding(row.user_id, "totp", microseconds(row.created_at))
        row.secret_sealed = seal_under(ring, ring.newest, text, bound)
        row.save(update_fields=["secret_sealed"])


def of_account(apps, user_id):
    """The digests of factors and link."""
    rows = {name: apps.get_model("operators", name).objects.filter(user_id=user_id) for name in MODELS}
    made = [microseconds(row.created_at) for row in rows["TotpSecret"].filter(confirmed_at__isnull=False)]
    passkeys = sorted([bytes(row.credential_id).hex(), bytes(row.credential).hex()] for row in rows["Passkey"])
    codes = sorted(row.mac for row in rows["RecoveryCode"])
    links = [[row.issuer, row.subject] for row in rows["OpenIdIdentity"]]
    return digest([made, passkeys, codes]), digest(links)


MODELS = ("TotpSecret", "Passkey", "RecoveryCode", "OpenIdIdentity")


def seal(apps, schema_editor):
    found = list(apps.get_model("operators", "RightsSeal").objects.select_related("user"))
    if not found:
        return
    ring = keys.unproven()  # the ring's proof reads tables that later migrations may not have changed yet
    head = apps.get_model("core", "AuditHead").objects.first()
    number = head.number if head else 0
    bind_apps(apps, ring)
    for row in found:
        user = row.user
        before = [user.pk, user.username, user.password, user.is_active, user.is_staff, user.is_superuser]
        before.append(row.permissions)
        try:
            stored = unseal_with(ring, row.sealed, binding(user.pk, "rights", 0)).reveal()
        except SealBroken:
            continue
        if not hmac.compare_digest(stored, digest(before)):
            continue
        row.factors, row.identity = of_account(apps, user.pk)
        row.number = number
        text = Secret(digest([*before, row.factors, row.identity]))
        row.sealed = seal_under(ring, ring.newest, text, binding(user.pk, "rights", number))
        row.save()


class Migration(migrations.Migration):
    dependencies = [("operators", "0004_openid_identity"), ("core", "0006_sealed_audit_trail")]

    operations = [
        migrations.AddField(
            "rightsseal",
            "factors",
            models.CharField(db_default="", default="", help_text="digest of the second factors", max_length=64),
        ),
        migrations.AddField(
            "rightsseal",
            "identity",
            models.CharField(db_default="", default="", help_text="digest of the link to a provider", max_length=64),
        ),
        migrations.AddField(
            "rightsseal",
            "number",
            models.PositiveBigIntegerField(db_default=0, default=0, help_text="of the audit entry of this seal"),
        ),
        migrations.RunPython(seal, migrations.RunPython.noop),
    ]
