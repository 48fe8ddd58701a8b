"""Static files before and after the first `collectstatic`: each step a process of its own, in a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hlapp.launcher import PROJECT
from tests.plugin.environment import FIXED

pytestmark = pytest.mark.slow

# Whitenoise answers before anything that needs a database.
SERVE = """
import django
django.setup()
from django.templatetags.static import static
from django.test import Client
url = static("site/mark.svg")
print(url, Client().get(url, secure=True, HTTP_HOST="localhost").status_code)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Settings find everything beside themselves, so they are the copy and the rest may be links."""
    root = tmp_path / "hlapp"
    shutil.copytree(PROJECT / "hlapp", root / "hlapp", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("integrations",):
        (root / name).symlink_to(PROJECT / name)
    return root


def run(root: Path, *arguments: str) -> str:
    services = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere", "REDIS_URL": "redis://127.0.0.1:1/0"}
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **FIXED, **services}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_first_collectstatic_of_a_fresh_checkout_is_enough(checkout: Path) -> None:
    assert run(checkout, "-c", SERVE) == "/static/site/mark.svg 200\n"

    run(checkout, "-m", "django", "collectstatic", "--noinput")

    url, status = run(checkout, "-c", SERVE).split()
    assert status == "200"
    assert url.startswith("/static/site/mark.")
    assert url != "/static/site/mark.svg"


def test_a_folder_that_was_not_collected_to_the_end_is_none_yet(checkout: Path) -> None:
    (checkout / "staticfiles").mkdir()

    assert run(checkout, "-c", SERVE) == "/static/site/mark.svg 200\n"
