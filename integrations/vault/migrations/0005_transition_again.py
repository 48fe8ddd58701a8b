"""More tables have MACs (`vault.row_macs`): their rows of the release before are taken as they are for a day.

The end of the transition is sealed together with the key, so the key's row is sealed anew, under the key of the vault
that it is under. A database without apps keeps its row: it has no transition.
"""

import base64
import os
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import migrations

TRANSITION = timedelta(days=1)
BINDING = ("key of row MACs", "key", "1")  # owner, field and generation, as in 0004


def begin_again(apps, schema_editor):
    key = apps.get_model("vault", "RowMacKey")
    row = key.objects.filter(pk=1).first()
    if row is None or not has_apps(schema_editor.connection):
        return
    sealed = bytes(row.sealed)
    header, nonce, rest = sealed[: 2 + sealed[1]], sealed[2 + sealed[1] :][:12], sealed[14 + sealed[1] :]
    cipher = AESGCM(base64.b64decode(vault_key(header[2:].decode())))
    bound = header + b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in BINDING)
    try:
        secret, _, _ = cipher.decrypt(nonce, rest, bound).partition(b"|")
    except InvalidTag:
        raise RuntimeError("the key of row MACs does not open: its row was changed, or VAULT_KEYS has another key") from None
    until = (datetime.now(UTC) + TRANSITION).isoformat().encode()
    nonce = os.urandom(12)
    key.objects.filter(pk=1).update(sealed=header + nonce + cipher.encrypt(nonce, secret + b"|" + until, bound))


def has_apps(connection):
    if "tenants_app" not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM tenants_app)")
        return cursor.fetchone()[0]


def vault_key(key_id):
    for entry in settings.VAULT_KEYS:
        found, _, encoded = entry.strip().partition(":")
        if found == key_id:
            return encoded
    raise RuntimeError(f"VAULT_KEYS lacks the key {key_id!r}, which seals the key of row MACs")


class Migration(migrations.Migration):
    dependencies = [("vault", "0004_row_mac_key")]

    operations = [migrations.RunPython(begin_again, migrations.RunPython.noop)]
