"""The demo as its user sees it: real processes, real servers, one of them killed in the middle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

from integrations.demo import deployment
from integrations.sandbox.options import Options
from tests.support.processes import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds for a start, which migrates an empty database
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Demo:
    def __init__(self, log: Path, *arguments: str, root: Path = ROOT, **environment: str) -> None:
        self.log = log
        self.database = f"hlapp_demo_{os.getpid()}_{free_port()}"
        self.web, vendor = free_port(), free_port()
        options = ["--port", str(self.web), "--sandbox-port", str(vendor), "--database", self.database]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *options, *arguments],
                cwd=root,
                env={**os.environ, "DEBUG": "true", "COLUMNS": "100", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def children(self) -> dict[int, str]:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
        return {int(pid): args for pid, parent, args in rows if int(parent) == self.process.pid and "ps -A" not in args}

    def worker(self) -> int:
        found = [pid for pid, args in self.children().items() if re.search(r"celery -A hlapp .*worker", args)]
        assert len(found) == 1, self.children()
        return found[0]

    def wait_for(self, ready: Callable[[], object]) -> None:
        has_ended = self.process.poll
        wait_until(lambda: ready() or has_ended() is not None, PATIENCE, describe=lambda: self.text)
        assert has_ended() is None, self.text

    def granted_scopes(self) -> set[str]:
        """What every token that the vendor gave its app may do."""
        with psycopg.connect(self.url) as server:
            rows = server.execute("SELECT scopes FROM tokens_credential WHERE state = 'active'").fetchall()
        assert rows
        return set.intersection(*(set(scopes.split()) for (scopes,) in rows))

    @property
    def url(self) -> str:
        """Of its database."""
        return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{self.database}").geturl()

    def has_records(self) -> bool:
        """Whether a page of the sync is stored: its worker is in the middle of it."""
        try:
            with psycopg.connect(self.url) as server:
                return server.execute("SELECT FROM sync_record LIMIT 1").fetchone() is not None
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):  # it is not made yet
            return False


@contextmanager
def running(log: Path, *arguments: str, root: Path = ROOT, **environment: str) -> Iterator[Demo]:
    demo = Demo(log, *arguments, root=root, **environment)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()
        shutil.rmtree(ROOT / ".hlapp" / demo.database, ignore_errors=True)
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{demo.database}" WITH (FORCE)')


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "log", "--once", "--locations", "2", "--contacts", "2500") as demo:
        demo.wait_for(demo.has_records)
        os.kill(demo.worker(), signal.SIGKILL)
        assert demo.process.wait(200) == 0, demo.text
        text = demo.text
    assert "worker was killed by SIGKILL and was started again" in text
    assert (
        re.findall(r"([\d,]+) / ([\d,]+) │ +([\d,]+) / ([\d,]+) │ same", text) == [("2,520", "2,520", "500", "500")] * 2
    )
    assert re.search(r"Refused with 429 +│ 0 ", text)
    for name in ("web", "worker"):
        memory = re.search(rf"Memory of {name} +│ (\d+) MB", text)
        assert memory is not None
        assert int(memory[1]) <= 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])  # SIGTERM: tests/demo/test_readme.py
def test_it_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    more = "--scope", "forms.readonly", "--scope", "links.readonly"
    with running(tmp_path / "log", "--locations", "1", "--contacts", "20", *more) as demo:
        demo.wait_for(lambda: "Serving until Ctrl-C" in demo.text)
        granted = demo.granted_scopes()
        assert {"forms.readonly", "links.readonly", *deployment.SCOPES} <= granted, "more than it has without"
        assert not {"forms.readonly", "links.readonly"} & set(deployment.SCOPES)
        end(demo, number)
        assert "Traceback" not in demo.text


def end(demo: Demo, number: signal.Signals) -> None:
    """Send the signal and wait until none of its processes is left."""
    left = set(demo.children())
    assert len(left) == 4
    demo.process.send_signal(number)
    demo.process.wait(60)
    wait_until(lambda: all(map(_is_gone, left)), describe=lambda: str(left))


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running(tmp_path / "log", "--once", "--port", port) as demo:
            assert demo.process.wait(60) == 1
            last = demo.text.strip().splitlines()[-1]
    assert f"port {port} is in use" in last
    assert "--port" in last


@pytest.mark.parametrize(
    ("variable", "argument", "words"),
    [
        ("REDIS_URL=redis://127.0.0.1:1/0", "--once", "the quota store does not answer (ConnectionError)"),
        ("DATABASE_URL=postgresql://u@127.0.0.1:1/x", "--once", "cannot be created: connection failed"),
        ("LOG_LEVEL=INFO", "--port=99999", "99999 is not the number of a port"),
        ("LOG_LEVEL=INFO", "--scope=form.readonly", "form.readonly is no scope of HighLevel: forms.readonly"),
    ],
)
def test_what_is_out_of_reach_or_impossible_is_one_line(
    tmp_path: Path, variable: str, argument: str, words: str
) -> None:
    name, _, value = variable.partition("=")
    with running(tmp_path / "log", argument, **{name: value}) as demo:
        assert demo.process.wait(60) > 0
        assert words in demo.text.strip().splitlines()[-1]
        assert "Traceback" not in demo.text


def test_the_database_may_be_named_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@h/theirs\n")
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("HIGHLEVEL_CLIENT_SECRET_FILE", "/of/a/real/app")
    given = deployment._environment(Options(), set(), web="http://web", vendor="http://vendor")
    assert given["DATABASE_URL"] == f"postgresql://u:p@h/{settings.NAMESPACE}"
    assert not [name for name in given if name.removesuffix("_FILE") != name and name.removesuffix("_FILE") in given]


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
