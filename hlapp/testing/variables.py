"""Environment variables of tests: fixed and fake, the same on every machine.

Of a developer's own environment only the variables in `KEPT` reach the tests. Proxies go too: they would carry requests
to sandboxes on the loopback interface away.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import MutableMapping

from hlapp import project

_PROJECT = hashlib.sha256(str(project.directory()).encode()).hexdigest()[:8]
KEPT = ("DATABASE_URL", "REDIS_URL", "CI", "CHROMIUM", "HIGHLEVEL_REFERENCE", "HLAPP_PROJECT", "HLAPP_APPS")

FIXED = {
    "SECRET_KEY": "for-tests-tq7BzY4mWcR9uKfE2nVhXp6LsJd8GaZo3QxNv5",
    "VAULT_KEYS": "test:oJT3zwzkuSZneDCQdBV5xnnGvMMOv38ndq9mAAHH3vA=",
    "PUBLIC_URL": "https://app.example.com",
    "SSL_REDIRECT": "false",  # Django's test client speaks plain HTTP
    "ALLOWED_HOSTS": "app.example.com,testserver,127.0.0.1,localhost",
    "HIGHLEVEL_CLIENT_ID": "66a0419a0dffa47fb5f8b22f-lyx1abcd",
    "HIGHLEVEL_CLIENT_SECRET": "fake-client-secret-0c7a5d1e",
    "HIGHLEVEL_SHARED_SECRET": "fake-shared-secret-9b31f4a2",
    "HIGHLEVEL_SCOPES": (
        "contacts.readonly contacts.write opportunities.readonly opportunities.write users.readonly "
        "locations.readonly calendars.readonly calendars/events.readonly conversations.readonly "
        "conversations/message.readonly oauth.readonly oauth.write"
    ),
    # A vendor that no test reaches: a test that talks to one brings its own sandbox.
    "HIGHLEVEL_API_URL": "http://127.0.0.1:1",
    "HIGHLEVEL_MARKETPLACE_URL": "http://127.0.0.1:1",
    "HIGHLEVEL_ALLOWED_HOSTS": "127.0.0.1,localhost,services.leadconnectorhq.com,rest.gohighlevel.com",
    # What a developer's own processes keep in the usual place, or the tests of another project, would count as theirs.
    "SPOOL_DIR": os.path.join(tempfile.gettempdir(), f"hlapp-tests-{os.getuid()}-{_PROJECT}", "spool"),
}

_OURS = ("DEBUG", "CELERY_BROKER_URL", "LOG_LEVEL", "LOG_FORMAT", "ACCESS_LOG", *FIXED)
_FOREIGN = ("HLAPP_", "HIGHLEVEL_", "OPERATOR_", "DJANGO_", "CELERY_", "PG")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def isolate(environ: MutableMapping[str, str]) -> None:
    """Forget the developer's variables and set the fixed ones."""
    for name in list(environ):
        if name not in KEPT and _reaches_tests(name):
            del environ[name]
    environ.update(FIXED)


def _reaches_tests(name: str) -> bool:
    return name.removesuffix("_FILE") in _OURS or name.startswith(_FOREIGN) or name.upper() in _PROXIES
