"""Starting and stopping: as a process of its own, and inside another."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from integrations.sandbox.options import Options
from integrations.sandbox.server import commandline
from integrations.sandbox.server.embedded import serve_in_thread
from integrations.sandbox.server.serving import PortUnavailable

COMMAND = [sys.executable, "-m", "integrations.sandbox", "--locations", "1", "--contacts", "0"]


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def ready(running: subprocess.Popen[str]) -> str:
    assert running.stdout
    found = re.fullmatch(r"Sandbox ready at (http://\S+)/sandbox/\n", running.stdout.readline())
    assert found
    return found.group(1)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_and_stops_at_once(signum: signal.Signals) -> None:
    with process("--port", "0") as running:
        url = ready(running)
        with httpx2.Client(trust_env=False) as client:
            assert client.get(f"{url}/sandbox/state").status_code == 200
            asked = time.monotonic()
            running.send_signal(signum)
            assert running.wait(60) == 0
        assert time.monotonic() - asked < 30
        assert running.stderr
        assert running.stderr.read() == ""


@pytest.mark.slow
def test_a_port_in_use_is_one_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(rf"sandbox: cannot listen on 127\.0\.0\.1:{port}: Address already in use\n", done.stderr)


@pytest.mark.slow
def test_it_needs_no_django() -> None:
    code = "import sys, integrations.sandbox.server.commandline; sys.exit('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, timeout=60, check=False)
    assert done.returncode == 0


def test_every_option_reaches_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []

    def run(options: Options) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(commandline, "run", run)
    line = (
        "--host ::1 --port 1 --companies 2 --locations 3 --contacts 4 --seed 5 --client-id a-b --client-secret c "
        "--shared-secret d --redirect-uri https://e --redirect-uri https://f --webhook-url https://g "
        "--rotation strict --window sliding --limit 6 --interval-ms 7 --daily 8 --access-token-ttl 9 "
        "--latency-ms 10-20 --webhook-policy old --webhook-time-scale 0.5"
    )
    assert commandline.main(line.split()) == 0
    assert seen == [
        Options(
            host="::1",
            port=1,
            companies=2,
            locations=3,
            contacts=4,
            seed=5,
            client_id="a-b",
            client_secret="c",
            shared_secret="d",
            redirect_uris=("https://e", "https://f"),
            webhook_url="https://g",
            rotation="strict",
            window="sliding",
            limit=6,
            interval_ms=7,
            daily=8,
            access_token_ttl=9,
            latency_ms=(10, 20),
            webhook_policy="old",
            webhook_time_scale=0.5,
        )
    ]
    assert commandline.main([]) == 0
    assert seen[1] == Options()


@pytest.mark.parametrize("line", ["--port -1", "--locations 0", "--latency-ms 9-1", "--latency-ms x", "--window no"])
def test_a_wrong_option_is_refused(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        commandline.main(line.split())
    assert stopped.value.code == 2
    assert line.split()[0] in capsys.readouterr().err


def test_embedded_it_starts_and_stops_and_leaves_the_port_free() -> None:
    with serve_in_thread(Options(port=0, locations=1, contacts=0)) as sandbox:
        assert httpx2.get(f"{sandbox.url}/sandbox/state", trust_env=False).status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{sandbox.url}/sandbox/state", trust_env=False)
    sandbox.stop()


def test_embedded_a_taken_port_is_an_error_in_the_caller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = Options(port=taken.getsockname()[1], locations=1, contacts=0)
        with pytest.raises(PortUnavailable, match="cannot listen"), serve_in_thread(options):
            pass


def test_latency_is_on_api_calls_and_not_on_controls() -> None:
    with (
        serve_in_thread(Options(port=0, locations=1, contacts=0, latency_ms=(60, 60))) as sandbox,
        httpx2.Client(base_url=sandbox.url, trust_env=False) as http,
    ):
        http.get("/sandbox/state")
        quick = http.get("/sandbox/state").elapsed.total_seconds()
        slow = http.get("/contacts/x").elapsed.total_seconds()
    assert slow >= 0.06 > quick
