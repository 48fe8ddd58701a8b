"""Reads the credential of a call by its key, with hand-written SQL instead of the query builder.

Every call reads one row under a unique key; the ORM takes longer to build that query than PostgreSQL to answer it
(bench_gateway). Nothing is cached here: the next reader sees every revocation, replacement and suspension by another
process.
"""

from __future__ import annotations

from functools import cache

from django.db import connection

from integrations.tokens.models import Credential, CredentialKey


def read(key: CredentialKey) -> Credential | None:
    """The credential with this key, or None. Its `app` is the object in the key."""
    sql, columns = _query()
    with connection.cursor() as cursor:
        cursor.execute(sql, [key.app.pk, key.tenant.user_type, key.tenant.id, key.api])
        values = cursor.fetchone()
    if values is None:
        return None
    row = Credential.from_db(connection.alias, columns, values)
    row.app = key.app
    return row


@cache
def _query() -> tuple[str, list[str]]:
    fields = Credential._meta.concrete_fields  # noqa: SLF001 - documented by Django
    named = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    table = connection.ops.quote_name(Credential._meta.db_table)  # noqa: SLF001
    key = "app_id = %s AND user_type = %s AND resource_id = %s AND api = %s"
    return f"SELECT {named} FROM {table} WHERE {key}", [str(field.attname) for field in fields]  # noqa: S608 - names only
