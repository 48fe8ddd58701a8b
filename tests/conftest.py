"""Prepares the process before Django's settings are imported, and hands out what many tests share.

pytest-django imports the settings on its own before any conftest is read *if* pytest's configuration names a
settings module; ours does not. It all happens while this file is imported, because the conftest files of the folders
below import models, and pytest reads those of the folders on its command line before it configures anything.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
from collections.abc import Generator, Iterator

import django
import hypothesis
import pytest
import redis
from django.conf import settings
from pytest_django import DjangoDbBlocker

from hlapp.embedded import EmbeddedError
from integrations.core import counters
from integrations.quota.permits import governor
from tests.plugin import (
    append_only,
    browser,
    costs,
    emptying,
    environment,
    network,
    process_state,
    sealed_accounts,
    servers,
    sessions,
    signed_rows,
    template,
)
from tests.plugin.process_state import store_unavailable

__all__ = ["store_unavailable"]


_emptying = emptying.Emptying()


def _prepare() -> servers.Servers:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job begins so, and what tests start and end by Ctrl-C would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    environment.isolate(os.environ)
    try:
        running = servers.Servers(os.environ)
    except EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        servers.take_own_redis_database(os.environ, worker)
    network.guard((os.environ["DATABASE_URL"], os.environ["REDIS_URL"]))
    django.setup()
    append_only.let_flush_pass()
    _emptying.install()
    sealed_accounts.seal_what_tests_make()
    signed_rows.sign_what_tests_create()
    # A password's hash is made to cost a third of a second; here operators are made by the hundred.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return running


# The same examples on any machine, however slow or busy.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("steady")
# Many more examples, and others each time: `pytest --hypothesis-profile=thorough`.
hypothesis.settings.register_profile(
    "thorough", hypothesis.settings.get_profile("steady"), max_examples=2_000, derandomize=False, print_blob=True
)

# Not in `pytest_unconfigure`: a run that ends before it is configured (a conftest with an error) never gets there.
atexit.register(_prepare().stop)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Workers inherit the environment: one that finds this name there loads the settings before it reads this file."""
    del os.environ["DJANGO_SETTINGS_MODULE"]
    template.choose(os.environ)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Marks them before `-m` selects, and orders them after all others have."""
    costs.mark(items)
    yield
    if worker := getattr(config, "workerinput", None):
        items[:] = costs.deal(items, worker["workercount"])


def pytest_collection_finish() -> None:
    """All code and all tests stay to the end, so no collection of garbage has to look at them again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        browser.require()


def pytest_sessionfinish() -> None:
    """What tests counted is not written at the process's end: its tables are gone by then."""
    counters.reset_all()
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        template.drop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    browser.report(terminalreporter)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """With xdist, migrations run once for all workers (`tests/plugin/template.py`)."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        with django_db_blocker.unblock():
            template.use()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Note what migrations left in the database, for `tests/plugin/emptying.py`. At the end nobody else is in it."""
    with django_db_blocker.unblock():
        _emptying.remember()
    yield
    with django_db_blocker.unblock():
        sessions.end_others()


@pytest.fixture(autouse=True)
def a_new_process() -> None:
    """Every test begins knowing what a new process knows (`tests/plugin/process_state.py`)."""
    process_state.reset()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a Chromium to run headless (as root it needs `--no-sandbox`)."""
    return browser.require()


@pytest.fixture
def clean_redis() -> Iterator[redis.Redis]:
    """A client of this worker's own Redis database, which is empty before and after the test."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        servers.empty(client)
        yield client
        governor.send_reports()  # what is still to be reported belongs to this test
        servers.empty(client)
