"""The pytest plugin: environment, servers, Django, and the fixture `highlevel`. Load it with `-p hlapp.testing.plugin`.

It all happens while this module is imported: pytest imports it before the plugins of the environment, and pytest-django
reads the settings as soon as it is there. With xdist the controller starts the servers, and each worker has a database
of its own in both.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator

import django
import pytest

from hlapp import project
from hlapp.embedded import EmbeddedError
from hlapp.testing import throwaway_servers, variables


def _prepare() -> None:
    variables.isolate(os.environ)
    os.environ["DEBUG"] = "true"  # the sandbox is a development tool
    project.prepare()
    try:
        servers = throwaway_servers.Servers(os.environ)
    except EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error
    atexit.register(servers.stop)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        throwaway_servers.take_own_redis_database(os.environ, worker)
    django.setup()


_prepare()

from django.conf import settings  # noqa: E402 - Django is set up only now

from hlapp.testing import kit  # noqa: E402
from hlapp.testing.kit import HighLevel  # noqa: E402
from integrations.core import counters  # noqa: E402

# A password's hash is made to cost a third of a second.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_sessionfinish() -> None:
    """What tests counted is not written at the process's end: its tables are gone by then."""
    counters.reset_all()


@pytest.fixture
def highlevel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    """HighLevel, with an agency whose first location has installed the app."""
    yield from kit.play(monkeypatch)
