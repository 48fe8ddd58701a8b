"""Sets Django up for a benchmark, on a database of its own that is created again and migrated, unless it is kept."""

from __future__ import annotations

import os
import sys
from typing import Any

from hlapp import development

DATABASE = "hlapp_bench"


def prepare(database: str = DATABASE, *, keep: bool = False) -> bool:
    """Set Django up. Call it before any import that needs settings. Embedded servers stop with the process.

    With `keep` a database of an earlier benchmark is used again. Returns whether the database is new.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
    fakes = {
        "HIGHLEVEL_CLIENT_ID": "66a0419a0dffa47fb5f8b22f-bench001",
        "HIGHLEVEL_CLIENT_SECRET": "bench-client-secret",
        "HIGHLEVEL_SHARED_SECRET": "bench-shared-secret",
        "PUBLIC_URL": "https://app.example.com",
        "ALLOWED_HOSTS": "app.example.com,testserver",
        "HIGHLEVEL_ALLOWED_HOSTS": "127.0.0.1,localhost",  # the sandbox
        "SSL_REDIRECT": "false",
        "LOG_LEVEL": "ERROR",
    }
    for name, value in fakes.items():
        os.environ[name] = value
    services = development.prepare()
    os.environ["DEBUG"] = "false"
    import atexit  # noqa: PLC0415 - only once servers may be running

    if services is not None:
        atexit.register(services.stop)
    import django  # noqa: PLC0415 - settings read the environment made above

    django.setup()
    return _make_database(database, keep=keep)


def _make_database(name: str, *, keep: bool) -> bool:
    from django.core.management import call_command  # noqa: PLC0415

    from integrations.demo import deployment  # noqa: PLC0415

    is_new = not (keep and _is_there(name))
    if is_new:
        deployment.use_database(name)
    call_command("migrate", verbosity=0, interactive=False)
    return is_new


def _is_there(name: str) -> bool:
    """Whether the database is there; then this process uses it."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    link: Any = connections["default"]  # the stubs know no pool
    with link.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        is_there = bool(cursor.rowcount)
    link.close()
    link.close_pool()  # its connections are to the database of the settings
    if not is_there:
        return False
    link.settings_dict["NAME"] = settings.NAMESPACE = name
    return True


def work_as_the_web_does() -> None:
    """Open sessions with the settings of a web process from now on."""
    from django.db import connections  # noqa: PLC0415

    from hlapp import time_limits  # noqa: PLC0415

    link: Any = connections["default"]
    link.close()
    link.close_pool()
    time_limits.limit_sessions(time_limits.WEB)


def table(title: str, rows: list[tuple[str, float, str]], *, base: str) -> None:
    """Print figures, each with its ratio to the row called `base` (1.00)."""
    against = next(figure for name, figure, _ in rows if name == base)
    sys.stdout.write(f"\n{title}\n")
    for name, figure, unit in rows:
        sys.stdout.write(f"  {name:<52}{figure:>12,.0f} {unit:<12}{figure / against:>7.2f}\n")
