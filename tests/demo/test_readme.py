"""The README's first chapter, followed exactly beside a running demo, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.test_demo import ROOT, Demo, end, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHAPTER = (
    (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your first background job")[2].partition("\n## ")[0]
)
BEFORE, AFTER = re.findall(r"```sh\n(.*?)```", CHAPTER, re.DOTALL)
(CODE,) = re.findall(r"```python\n(.*?)```", CHAPTER, re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a newcomer has cloned. Who did as the chapter says, in the checkout itself, has nothing left to follow."""
    if (ROOT / "apps/welcome").exists():
        pytest.skip("apps/welcome is here: the README's first job has been made in this checkout")
    root = tmp_path / "hlapp"
    for folder in ("hlapp", "integrations", "apps"):
        shutil.copytree(ROOT / folder, root / folder)
    for file in ("manage.py", "pyproject.toml"):
        shutil.copy2(ROOT / file, root / file)
    return root


def shell(root: Path, commands: str) -> subprocess.CompletedProcess[str]:
    """As typed into another terminal, where nothing is configured."""
    words = commands.replace(".venv/bin/python", sys.executable)
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    return subprocess.run(
        ["sh", "-ec", words], cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def follow(root: Path) -> None:
    assert shell(root, BEFORE).returncode == 0
    (root / "apps/welcome/jobs.py").write_text(CODE)


def test_a_newcomers_first_job_runs_by_copy_and_paste(tmp_path: Path, checkout: Path) -> None:
    with running(tmp_path / "log", "--locations", "2", "--contacts", "20", root=checkout) as demo:
        demo.wait_for(lambda: "Serving until Ctrl-C" in demo.text)
        published = checkout / ".hlapp" / demo.database / "environment.json"
        assert stat.S_IMODE(published.stat().st_mode) == 0o600
        follow(checkout)
        demo.wait_for(lambda: "The changed code runs: web, worker and beat were restarted" in demo.text)

        done = shell(checkout, AFTER)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "welcome.tag_newcomers" in done.stdout
        assert len(re.findall(r"^\S+: complete, ", done.stdout, re.MULTILINE)) == 2, done.stdout
        assert f"with the demo that is running here ({demo.database})" in done.stderr

        goes_on_with_what_it_has_when_the_code_breaks(demo, checkout)
        end(demo, signal.SIGTERM)
    assert "is not set" in shell(checkout, ".venv/bin/python manage.py job list").stderr, "it has ended"


def goes_on_with_what_it_has_when_the_code_breaks(demo: Demo, checkout: Path) -> None:
    worker = demo.worker()
    (checkout / "apps/welcome/jobs.py").write_text("def tag_newcomers(run:\n")
    demo.wait_for(lambda: "The changed code does not start, the old code keeps running: SyntaxError" in demo.text)
    assert demo.worker() == worker
