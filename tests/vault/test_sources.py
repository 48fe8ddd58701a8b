"""The ring from a command or an address: what works, and that every failure is one line without a secret."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.vault import https_source, keys, sources
from tests.support.waiting import wait_until
from tests.vault.conftest import entry

RING = f"{entry('k2')},{entry('k1')}"
PRECIOUS = "cHJlY2lvdXMtcHJlY2lvdXMtcHJlY2lvdXM="  # stands for a key in whatever went wrong


@pytest.fixture
def script(tmp_path: Path):
    """Writes a program and returns the VAULT_KEYS that names it."""

    def write(body: str) -> str:
        path = tmp_path / "un wrap.py"
        path.write_text(textwrap.dedent(body))
        return f"command:{sys.executable} '{path}' --ring hlapp"

    return write


def complaint(value: str) -> str:
    with pytest.raises(sources.SourceFailed) as caught:
        sources.read(value)
    text = str(caught.value)
    assert PRECIOUS not in text
    assert "\n" not in text
    assert caught.value.__cause__ is None
    return text


@pytest.mark.parametrize("text", [RING, f" {RING} ", RING.replace(",", "\n"), RING.replace(",", " ,\n") + "\n"])
def test_the_entries_themselves(text: str) -> None:
    assert sources.read(text) == [entry("k2"), entry("k1")]


def test_a_command_prints_them(script) -> None:
    value = script(f"import sys; assert sys.argv[1:] == ['--ring', 'hlapp']; print({RING!r}.replace(',', chr(10)))")
    assert keys.parse(sources.read(value)).newest == "k2"


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    complaint(f"command:/bin/echo {RING} ; touch {trace}")
    assert not trace.exists()


def test_a_command_that_fails(script) -> None:
    text = complaint(script(f"import sys; print({PRECIOUS!r}); print({PRECIOUS!r}, file=sys.stderr); sys.exit(7)"))
    assert "failed with status 7" in text
    assert sys.executable in text


def test_a_command_that_fails_is_not_believed_even_if_it_printed_a_ring(script) -> None:
    assert "status 1" in complaint(script(f"import sys; print({RING!r}); sys.exit(1)"))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (f"print({PRECIOUS!r})", "not with <key id>"),
        (f"print('{PRECIOUS[:20]}:{PRECIOUS}')", "not with <key id>"),
        ("", "not with <key id>"),
        ("import sys; sys.stdout.buffer.write(bytes([255, 254, 0]) * 9)", "not text"),
        ("while True: print('k1:' + 'A' * 1000)", "no key ring"),
    ],
)
def test_a_command_that_prints_something_else(script, body: str, says: str) -> None:
    assert says in complaint(script(body))


def test_a_command_that_takes_for_ever_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """Its child holds a pipe, whose end is read as soon as the child is gone."""
    pipe, program = tmp_path / "pipe", tmp_path / "slow.sh"
    os.mkfifo(pipe)
    program.write_text(f"#!/bin/sh\nsleep 1000 > {pipe} &\nwait\n")
    program.chmod(0o755)
    started = time.monotonic()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(sources.SourceFailed, match=r"took over 0\.3 s"):
            sources.Command(str(program), timeout=0.3).unwrap()
        wait_until(lambda: _is_let_go(reader))
    finally:
        os.close(reader)
    assert time.monotonic() - started < 500


def _is_let_go(reader: int) -> bool:
    """Whether no process has the pipe open for writing."""
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False


def test_a_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "leaves.sh"
    program.write_text(f"#!/bin/sh\necho {RING}\nsleep 100 &\n")
    program.chmod(0o755)
    started = time.monotonic()
    with pytest.raises(sources.SourceFailed, match=r"took over 0\.5 s"):
        sources.Command(str(program), timeout=0.5).unwrap()
    assert time.monotonic() - started < 50


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("command:/no/such/program --key", "does not start: /no/such/program: No such file"),
        ("command:", "should name a program"),
        ("command:'open quote", "should name a program"),
        ("https://", "without a host"),
        ("https://[::1", "malformed"),
        ("https://host:port:9/", "malformed"),
        (f"http://user:{PRECIOUS}@kms.example.com/ring", "is not https: kms.example.com"),
    ],
)
def test_a_source_that_cannot_be(value: str, says: str) -> None:
    assert says in complaint(value)


def test_an_address_answers_with_them(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/ring", query_string="version=3").respond_with_data(RING.replace(",", "\n"))
    assert sources.read(httpserver.url_for("/ring?version=3")) == [entry("k2"), entry("k1")]


def test_user_and_password_are_sent_to_the_host_and_shown_nowhere(httpserver: HTTPServer) -> None:
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers["Authorization"] + request.host)
        return Response(PRECIOUS, status=403)

    httpserver.expect_request("/ring").respond_with_handler(answer)
    value = httpserver.url_for("/ring").replace("http://", "http://me:p%40ss-word@")
    text = complaint(f"{value}?signature={PRECIOUS}")
    assert "answered 403" in text
    assert "p%40ss" not in text
    assert "p@ss" not in text
    assert seen == [f"Basic {base64.b64encode(b'me:p@ss-word').decode()}{httpserver.host}:{httpserver.port}"]


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (PRECIOUS, 200, "not with <key id>"),
        (b"\xff\xfe", 200, "not text"),
        (PRECIOUS, 500, "answered 500"),
        (RING, 201, "answered 201"),
        ("k" * (sources.LARGEST + 1), 200, "no key ring"),
    ],
)
def test_an_address_that_answers_something_else(httpserver: HTTPServer, data, status: int, says: str) -> None:
    httpserver.expect_request("/ring").respond_with_data(data, status=status)
    assert says in complaint(httpserver.url_for("/ring"))


def test_a_redirect_on_the_same_host_is_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data("", status=302, headers={"Location": "/ring"})
    httpserver.expect_request("/ring").respond_with_data(RING)
    assert len(sources.read(httpserver.url_for("/old"))) == 2


@pytest.mark.parametrize("target", ["http://127.0.0.2:{port}/ring", "http://127.0.0.1:1/ring", "file:///etc/passwd"])
def test_a_redirect_elsewhere_is_not(httpserver: HTTPServer, target: str) -> None:
    location = target.format(port=httpserver.port)
    httpserver.expect_request("/old").respond_with_data("", status=302, headers={"Location": location})
    text = complaint(httpserver.url_for("/old"))
    assert "redirects elsewhere" in text or "answered 302" in text


def test_no_server_listens() -> None:
    assert "cannot be reached: 127.0.0.1:1: Connection refused" in complaint("http://127.0.0.1:1/ring")


class Line(BaseRequestHandler):
    """Answers with a line that is no HTTP, or drips a header byte by byte."""

    def handle(self) -> None:
        self.request.recv(4096)
        server: Raw = self.server  # type: ignore[assignment]
        if not server.drip:
            self.request.sendall(f"{PRECIOUS}\r\n\r\n".encode())
            return
        try:
            for byte in b"HTTP/1.0 200 OK\r\nX: " + b"y" * 5000:
                self.request.sendall(bytes([byte]))
                if server.ended.wait(0.1):
                    return
        except OSError:
            pass


class Raw(TCPServer):
    daemon_threads = True
    drip = False

    def __init__(self, *args: object) -> None:
        self.ended = threading.Event()
        super().__init__(*args)  # type: ignore[arg-type]


@pytest.fixture
def raw():
    with Raw(("127.0.0.1", 0), Line) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()
    for thread in threading.enumerate():
        if thread.name == "vault-keys":
            thread.join()  # what was given up ends with its server


def test_an_address_that_speaks_no_http(raw: Raw) -> None:
    assert "does not answer in HTTP" in complaint(f"http://127.0.0.1:{raw.server_address[1]}/")


def test_an_address_that_drips(raw: Raw) -> None:
    """Each byte comes in time; all of them together do not."""
    raw.drip = True
    started = time.monotonic()
    with pytest.raises(https_source.NoAnswer, match=r"took over 0\.5 s"):
        https_source.get(f"http://127.0.0.1:{raw.server_address[1]}/", timeout=0.5, largest=10_000)
    assert time.monotonic() - started < 100


def test_no_source_shows_what_it_holds() -> None:
    for value in (RING, f"command:/bin/echo {PRECIOUS}", f"https://me:{PRECIOUS}@host/"):
        source = sources.choose(value)
        assert PRECIOUS not in repr(source)
        assert entry("k1") not in repr(source)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["VAULT_KEYS", "VAULT_KEYS_FILE"])
def test_a_failing_source_is_one_line_at_start_up(script, tmp_path: Path, way: str) -> None:
    value = script(f"print({PRECIOUS!r}); raise SystemExit(4)")
    path = tmp_path / "vault-keys"
    path.write_text(value)
    env = {name: text for name, text in os.environ.items() if name != "VAULT_KEYS"}
    env |= {way: value if way == "VAULT_KEYS" else str(path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "vault", "status"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert PRECIOUS not in done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "VAULT_KEYS names a command that failed with status 4" in line
