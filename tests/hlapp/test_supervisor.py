"""The process supervisor, with programs of a few lines; `serve` itself with web and beat."""

from __future__ import annotations

import http.client
import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from hlapp.management.commands import serve
from hlapp.supervisor import keeper, readiness, resident
from hlapp.supervisor.keeper import CannotStart
from hlapp.supervisor.outputs import LogFiles, PrefixedLines
from hlapp.supervisor.programs import Program
from hlapp.supervisor.supervisor import Supervisor
from tests.demo.test_demo import free_port
from tests.support.processes import database_url
from tests.support.waiting import wait_until

READY = "import os, time; os.write(int(os.environ['READY_FD']), b'1'); "
STAY = READY + "time.sleep(60)"


def program(code: str, name: str = "p", **more: object) -> Program:
    return Program(name, ("-I", "-S", "-c", code, "{start}"), **more)  # type: ignore[arg-type]


class Watched:
    """A supervisor, what it has reported, and what its programs have said."""

    def __init__(self) -> None:
        self.said = io.StringIO()
        self.news: list[str] = []
        self.supervisor = Supervisor({"PATH": os.environ["PATH"]}, PrefixedLines(self.said))

    def look_until(self, words: str) -> None:
        def seen() -> bool:
            self.news += self.supervisor.look()
            return words in "\n".join([*self.news, self.said.getvalue()])

        wait_until(seen, describe=lambda: f"{self.news}\n{self.said.getvalue()}")

    def run(self, code: str, **more: object) -> keeper.Keeper:
        self.supervisor.run(program(code, **more))  # type: ignore[arg-type]
        return self.supervisor.keepers["p"]

    def ready(self, code: str = STAY, **more: object) -> keeper.Keeper:
        one = self.run(code, **more)
        wait_until(lambda: self.news.extend(self.supervisor.look()) or one._was_ready)
        return one


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.supervisor.stop()


def test_an_ended_process_starts_again_at_once_and_then_ever_later(watched: Watched) -> None:
    one = watched.ready()
    for words in ("p was killed by SIGKILL and was started again", "p was killed by SIGKILL, it starts again in 1 s"):
        wait_until(one._current.is_ready)  # type: ignore[union-attr]
        os.kill(one.pid, signal.SIGKILL)
        watched.look_until(words)
    with pytest.raises(LookupError, match="p does not run"):
        _ = one.pid
    one._start_at = 0.0
    watched.supervisor.look()
    one._quick_ends = 30
    os.kill(one.pid, signal.SIGKILL)
    watched.look_until("it starts again in 60 s")


@pytest.mark.parametrize(("code", "starts"), [("sys.exit(1)", 3), ("sys.exit(3)", 1)])
def test_what_can_never_start_is_an_error_with_its_last_words(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, code: str, starts: int
) -> None:
    watched.run(f"import sys; print('start', sys.argv[1]); print('no database'); {code}")
    monkeypatch.setattr(keeper, "LONGEST_PAUSE", 0.0)
    with pytest.raises(CannotStart, match=r"p cannot start, it ended with status \d: no database"):
        wait_until(lambda: watched.supervisor.look() and False)
    assert watched.said.getvalue().count("| start") == starts
    assert f"p             | start {starts}\n" in watched.said.getvalue()


def test_a_renewal_ends_the_old_process_when_the_new_one_is_ready(watched: Watched) -> None:
    one = watched.ready()
    old = one.pid
    watched.supervisor.renew()
    watched.supervisor.look()
    assert one.pid == old, "the new one is not ready yet"
    watched.look_until("p was renewed")
    assert one.pid != old
    wait_until(lambda: watched.supervisor.look() or not one.is_renewing)
    with pytest.raises(ProcessLookupError):
        os.kill(old, 0)


def test_a_program_that_runs_once_ends_before_its_next_start(watched: Watched, tmp_path: Path) -> None:
    alone = f"import os, sys; os.mkdir({str(tmp_path / 'running')!r}); "
    leaves = f"import signal; signal.signal(15, lambda *_: (os.rmdir({str(tmp_path / 'running')!r}), os._exit(0))); "
    one = watched.ready(alone + leaves + STAY, is_single=True)
    old = one.pid
    watched.supervisor.renew()
    wait_until(lambda: watched.supervisor.look() or not one.is_renewing, describe=watched.said.getvalue)
    assert one.pid != old
    wait_until(lambda: one._current and one._current.is_ready(), describe=watched.said.getvalue)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ("print('broken'); sys.exit(1)", "the new process of p ended with status 1, the old one goes on: broken"),
        ("import time; time.sleep(60)", "the new process of p was not ready in 0 s, the old one goes on"),
    ],
)
def test_the_old_process_goes_on_when_the_new_one_does_not_come_up(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, second: str, words: str
) -> None:
    monkeypatch.setattr(keeper, "READY_SECONDS", 0.3)
    again = f"if sys.argv[1] == '1':\n    {STAY}\n"
    one = watched.ready(f"import sys\n{again}else:\n    {second}")
    old = one.pid
    monkeypatch.setattr(keeper, "READY_SECONDS", 60.0 if "sys.exit" in second else 0.0)
    watched.supervisor.renew()
    watched.look_until(words)
    assert one.pid == old


def test_a_process_that_grew_too_large_is_renewed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MEMORY_SECONDS", 0.0)
    large = "large = b'x' * (50 * 2**20 if sys.argv[1] == '1' else 1); "
    watched.ready("import sys; " + large + STAY, memory_limit=40 * 2**20)
    watched.look_until("p was renewed")
    assert re.search(r"p uses \d+ MB, more than 40 MB, and is renewed", "\n".join(watched.news))


def test_proc_and_ps_agree() -> None:
    """Both list this process with its parent; what it uses differs by what it allocates in between."""
    pid, found = os.getpid(), {}
    for rows in (resident._from_proc(), resident._from_ps()):
        found[rows.__name__] = next(row for row in rows if row[0] == pid)
    by_proc, by_ps = found.values()
    assert by_proc[1] == by_ps[1] == os.getppid()
    assert abs(by_proc[2] - by_ps[2]) < 20 * 2**20


def test_a_process_that_does_not_end_is_killed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hlapp.supervisor.supervisor.KILL_AFTER_SECONDS", 0.2)
    one = watched.ready("import signal; signal.signal(15, signal.SIG_IGN); " + STAY)
    pid = one.pid
    watched.supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_braces_in_a_path_are_no_number_of_the_start(watched: Watched) -> None:
    """Of `serve --directory`, say."""
    code = READY + "import sys; print(sys.argv[1:], flush=True); time.sleep(60)"
    watched.supervisor.run(Program("p", ("-I", "-S", "-c", code, "w-{start}", "/srv/{x}/beat")))
    watched.look_until("['w-1', '/srv/{x}/beat']")
    assert watched.supervisor.keepers["p"].pid


def test_log_files_begin_empty_and_keep_what_restarts_add(tmp_path: Path) -> None:
    (tmp_path / "p.log").write_text("of yesterday")
    files = LogFiles(tmp_path)
    for line in (b"one\n", b"two\n"):
        descriptor = files.open("p")
        os.write(descriptor, line)
        os.close(descriptor)
    assert (tmp_path / "p.log").read_text() == "one\ntwo\n"
    assert str(tmp_path / "p.log") in files.where("p")


def test_readiness_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(readiness.VARIABLE, str(writing))
    readiness.report()
    readiness.report()
    assert os.read(reading, 10) == b"1"
    assert os.read(reading, 10) == b"", "it is closed"
    os.close(reading)
    assert readiness.VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what to run: --all, or some of web, worker-urgent, worker, beat"),
        (["webb"], "webb: no such program"),
        (["web", "--bind", "nowhere"], "nowhere is not HOST:PORT"),
        (["web", "--bind", "203.0.113.1:80"], r"the web cannot listen on 203.0.113.1, port 80 \("),
        (["worker", "--threads", "0"], "0 is not a number above 0"),
        (["beat", "--directory", "/proc/none"], r"beat cannot write to /proc/none \("),
    ],
)
def test_what_cannot_be_served_is_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("serve", *arguments)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_serve_renews_without_a_refused_request_and_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, clean_redis: object
) -> None:
    faults = ["ImportError: nothing", None]
    monkeypatch.setattr(serve, "CodeCheck", lambda *_: SimpleNamespace(is_done=True, fault=lambda: faults.pop(0)))
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setattr(sys, "stderr", said := io.StringIO())
    asked = _Asked(free_port(), said)
    asked.start()
    try:
        call_command("serve", "web", "--bind", f"127.0.0.1:{asked.port}")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    asked.join()
    assert time.monotonic() - asked.ended_at < 25
    assert "not renewed, the processes go on as they are: ImportError: nothing" in said.getvalue()
    assert set(asked.statuses) == {200}, asked.statuses
    assert len(asked.statuses) > 20
    with pytest.raises(ConnectionRefusedError):
        asked.ask()


class _Asked(threading.Thread):
    """Asks for /healthz over a new connection, again and again, while it sends this process the operator's signals."""

    def __init__(self, port: int, said: io.StringIO) -> None:
        super().__init__(daemon=True)
        self.port, self._said = port, said
        self.statuses: list[object] = []
        self.ended_at = 0.0

    def ask(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        finally:
            connection.close()

    def run(self) -> None:
        wait_until(self._listens)
        for words in ("not renewed", "web was renewed"):
            os.kill(os.getpid(), signal.SIGHUP)
            wait_until(lambda words=words: self._note() or words in self._said.getvalue(), describe=self._said.getvalue)  # type: ignore[misc]
        until = time.monotonic() + 0.5  # the old one ends while requests come in
        wait_until(lambda: self._note() or time.monotonic() > until)
        self.ended_at = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)

    def _listens(self) -> bool:
        try:
            return self.ask() == 200
        except ConnectionRefusedError:
            return False

    def _note(self) -> None:
        try:
            self.statuses.append(self.ask())
        except OSError as error:
            self.statuses.append(repr(error))
