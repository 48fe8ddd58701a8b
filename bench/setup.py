"""Sets Django up for a benchmark, on a database of its own that is created again and migrated."""

from __future__ import annotations

import os
import sys

from hlapp import development

DATABASE = "hlapp_bench"


def prepare() -> None:
    """Set Django up. Call it before any import that needs settings. Embedded servers stop with the process."""
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
    _make_database()


def _make_database() -> None:
    from django.core.management import call_command  # noqa: PLC0415

    from integrations.demo import deployment  # noqa: PLC0415

    deployment.use_database(DATABASE)
    call_command("migrate", verbosity=0, interactive=False)


def table(title: str, rows: list[tuple[str, float, str]], *, base: str) -> None:
    """Print figures, each with its ratio to the row called `base` (1.00)."""
    against = next(figure for name, figure, _ in rows if name == base)
    sys.stdout.write(f"\n{title}\n")
    for name, figure, unit in rows:
        sys.stdout.write(f"  {name:<52}{figure:>12,.0f} {unit:<12}{figure / against:>7.2f}\n")
