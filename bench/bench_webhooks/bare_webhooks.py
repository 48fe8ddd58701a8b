"""The bare webhook endpoint that `bench_webhooks` compares with: one Ed25519 check and one INSERT, without Django.

`gunicorn bench.bench_webhooks.bare_webhooks:application`, with BARE_DATABASE (conninfo) and BARE_KEY (the PEM public
key). Each thread keeps a connection and a prepared statement.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, cast

import psycopg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

TABLE = """
CREATE TABLE bench_bare (
    id bigserial PRIMARY KEY, app int NOT NULL, webhook_id text NOT NULL, received_at timestamptz NOT NULL,
    payload jsonb NOT NULL, status text NOT NULL DEFAULT 'pending', UNIQUE (app, webhook_id)
)
"""
_INSERT = """
INSERT INTO bench_bare (app, webhook_id, received_at, payload) VALUES (1, %s, now(), %s) ON CONFLICT DO NOTHING
"""
_own = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Verify and insert the posted webhook."""
    raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    try:
        _key().verify(base64.b64decode(environ["HTTP_X_GHL_SIGNATURE"]), raw)
    except InvalidSignature:
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return []
    text = raw.decode()
    _connection().execute(_INSERT, [json.loads(text)["webhookId"], text], prepare=True)
    body = b'{"status": "stored"}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _key() -> Ed25519PublicKey:
    if not hasattr(_own, "key"):
        _own.key = cast(Ed25519PublicKey, load_pem_public_key(os.environ["BARE_KEY"].encode()))
    return cast(Ed25519PublicKey, _own.key)


def _connection() -> psycopg.Connection[Any]:
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["BARE_DATABASE"], autocommit=True)
    return cast("psycopg.Connection[Any]", _own.connection)
