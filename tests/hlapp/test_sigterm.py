"""Web and beat end within 25 seconds after SIGTERM, as workers do (`tests/jobs/test_hung_workers.py`)."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.processes import ROOT, celery, environment
from tests.support.waiting import wait_until

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
