"""Web and beat end within 25 seconds after SIGTERM, as workers do (`tests/jobs/test_hung_workers.py`)."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from integrations.tenants import marketplace
from integrations.tenants.models import App
from tests.support.database import locked, somebody_waits_for_a_lock
from tests.support.processes import ROOT, celery, environment
from tests.support.waiting import wait_until
from tests.support.web import gunicorn

pytestmark = pytest.mark.django_db(transaction=True)
MOST_SECONDS = 25


def test_web_gives_requests_less_time_than_container_platforms() -> None:
    command = [sys.executable, "-m", "gunicorn", "--print-config", "hlapp.wsgi"]
    said = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    found = dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)
    settings = {name.strip(): value.strip() for name, value in found.items()}
    assert int(settings["graceful_timeout"]) < MOST_SECONDS, said.stderr


@pytest.mark.slow
def test_beat_ends_at_once(tmp_path: Path, clean_redis: object) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        beat = celery(f"beat --pidfile= -s {tmp_path / 'schedule'} -l INFO", output)
    try:
        wait_until(lambda: list(tmp_path.glob("schedule*")), describe=log.read_text)
        began = time.monotonic()
        beat.send_signal(signal.SIGTERM)
        beat.wait(60)
        assert time.monotonic() - began < MOST_SECONDS
    finally:
        beat.kill()
        beat.wait()


@contextmanager
def silent_vendor() -> Iterator[tuple[str, socket.socket]]:
    """The URL of a server that takes connections and never answers, and its socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", server


@pytest.mark.slow
def test_web_answers_what_is_in_flight_and_then_ends(clean_redis: object) -> None:
    app = marketplace.default()
    with gunicorn() as web, ThreadPoolExecutor(1) as pool:
        with locked(App, [app.pk]):
            asked = pool.submit(web.get, "/install/?go=1")
            wait_until(somebody_waits_for_a_lock)
            began = time.monotonic()
            web.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)  # the request waits for two seconds at most
            assert not asked.done()
        assert asked.result(30).status == 302
        assert web.process.wait(60) == 0
        assert time.monotonic() - began < MOST_SECONDS


@pytest.mark.slow
def test_web_does_not_wait_for_a_request_that_does_not_end(clean_redis: object, settings: Settings) -> None:
    """An exchange of a code with a vendor that never answers."""
    with silent_vendor() as (url, vendor), ThreadPoolExecutor(1) as pool:
        settings.HIGHLEVEL_API_URL = url
        with gunicorn(HIGHLEVEL_API_URL=url) as web:
            asked = pool.submit(web.get, "/oauth/callback?code=a-code")
            vendor.settimeout(30)
            line, _ = vendor.accept()
            with line:
                assert line.recv(4)
                began = time.monotonic()
                web.process.send_signal(signal.SIGTERM)
                assert web.process.wait(60) == 0
                assert time.monotonic() - began < MOST_SECONDS
        assert asked.exception(60) is not None or asked.result().status >= 500, "nobody is told that it worked"
