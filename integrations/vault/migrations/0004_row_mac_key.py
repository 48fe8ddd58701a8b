"""The key of MACs over rows (`vault.row_macs`), sealed together with the end of the transition.

A database with apps has rows without MACs, and processes of the release before, which go on writing such rows: they are
taken as they are for a day. A new database has no transition.

It seals by itself, so that it does the same whatever becomes of the code. What it writes is a stored format of
`vault.seal` (version 1): 1 | length of key id | key id | nonce (12) | AES-256-GCM, with header and binding as associated
data. The ring's proof is left out, because it reads tables that later migrations may not have changed yet.
"""

import base64
import os
import secrets
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import migrations, models

TRANSITION = timedelta(days=1)
BINDING = ("key of row MACs", "key", "1")  # owner, field and generation


def make_key(apps, schema_editor):
    is_upgrade = has_apps(schema_editor.connection)
    if not settings.VAULT_KEYS:
        if is_upgrade:
            raise RuntimeError("VAULT_KEYS is empty: set the keys with which the web and worker processes run")
        return
    now = datetime.now(UTC)
    until = (now + TRANSITION).isoformat() if is_upgrade else ""
    sealed = seal(f"{secrets.token_urlsafe(32)}|{until}")
    apps.get_model("vault", "RowMacKey").objects.create(pk=1, sealed=sealed, created_at=now)


def has_apps(connection):
    if "tenants_app" not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM tenants_app)")
        return cursor.fetchone()[0]


def seal(text):
    key_id, _, encoded = settings.VAULT_KEYS[0].strip().partition(":")
    header = bytes((1, len(key_id))) + key_id.encode()
    bound = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in BINDING)
    nonce = os.urandom(12)
    key = AESGCM(base64.b64decode(encoded))
    return header + nonce + key.encrypt(nonce, text.encode(), header + bound)


class Migration(migrations.Migration):
    dependencies = [("vault", "0003_name_key_check_values")]

    operations = [
        migrations.CreateModel(
            name="RowMacKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sealed", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={"verbose_name": "key of row MACs", "verbose_name_plural": "keys of row MACs"},
        ),
        migrations.RunPython(make_key, migrations.RunPython.noop),
    ]
