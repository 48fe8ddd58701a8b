"""What the soak runs: servers, the sandbox, `serve --all` as on one machine, and its processes by name."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis

from bench.soak_app.variables import CRASHES_WHILE, WRITES_IN
from hlapp import development
from hlapp.embedded.home import private_directory
from hlapp.supervisor import resident
from integrations.sandbox.context import Platform
from integrations.sandbox.controls.environment import variables
from integrations.sandbox.oauth.marketplace import listed
from integrations.sandbox.options import Options
from integrations.sandbox.server.embedded import Embedded, serve_in_thread
from tests.support.processes import free_port

DATABASE = "hlapp_soak"
PROGRAMS = ("web", "worker-urgent", "worker", "beat")
LOCATIONS, CONTACTS = 6, 150
SCOPES = {
    "oauth.readonly",
    "oauth.write",
    "companies.readonly",
    "locations.readonly",
    "contacts.readonly",
    "contacts.write",
    "opportunities.readonly",
    "users.readonly",
    "calendars.readonly",
    "calendars/events.readonly",
}
MOST_DELIVERIES = 1_000_000


@dataclass
class Soak:
    """The running deployment. `password` is the operator's, `token` that of `/metrics`."""

    directory: Path
    web: str
    password: str
    token: str
    sandbox: Embedded
    serve: subprocess.Popen[bytes]

    @property
    def platform(self) -> Platform:
        """The vendor's state, to read."""
        assert self.sandbox.platform is not None
        return self.sandbox.platform

    @property
    def locations(self) -> list[str]:
        """Ids of the vendor's locations. Jobs write in the first one, the outbox in the others."""
        return list(self.platform.world.locations)

    @property
    def crash_file(self) -> Path:
        """While it exists, a job crashes."""
        return Path(os.environ[CRASHES_WHILE])

    def processes(self) -> dict[str, int]:
        """Process ids of the programs that run now, without their children."""
        return {name: pid for pid in _children(self.serve.pid) if (name := _program(pid))}

    def memory(self) -> dict[tuple[str, int], int]:
        """Resident bytes of each program's process and its children, and of the supervisor."""
        found = {"serve": self.serve.pid, **self.processes()}
        whole = {(name, pid): resident.of_family(pid) for name, pid in found.items() if name != "serve"}
        with suppress(OSError):
            pages = int(Path(f"/proc/{self.serve.pid}/statm").read_text().split()[1])
            whole["serve", self.serve.pid] = pages * os.sysconf("SC_PAGE_SIZE")
        return whole

    def kill(self, program: str) -> None:
        """SIGKILL; `serve` starts it again."""
        with suppress(KeyError, ProcessLookupError):
            os.kill(self.processes()[program], signal.SIGKILL)

    def freeze(self, *programs: str) -> list[int]:
        """SIGSTOP the programs and their children; returns what `thaw` continues."""
        here = self.processes()
        pids = [here[name] for name in programs if name in here]
        pids += [child for pid in pids for child in _children(pid)]
        _signal_all(pids, signal.SIGSTOP)
        return pids

    def freeze_redis(self) -> list[int]:
        """SIGSTOP the Redis server; returns what `thaw` continues."""
        info: Any = redis.Redis.from_url(os.environ["REDIS_URL"]).info("server")
        _signal_all([int(info["process_id"])], signal.SIGSTOP)
        return [int(info["process_id"])]

    def restart_redis(self) -> None:
        """Shut Redis down without a snapshot; the soak starts it again."""
        with suppress(redis.RedisError):
            redis.Redis.from_url(os.environ["REDIS_URL"]).shutdown(nosave=True)

    def restart_postgres(self) -> None:
        """A fast shutdown of PostgreSQL; the soak starts it again."""
        lines = (self.directory / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), signal.SIGINT)

    def stop(self) -> float:
        """SIGTERM to `serve`; the seconds until all has ended."""
        began = time.monotonic()
        self.serve.terminate()
        self.serve.wait()
        return time.monotonic() - began


def thaw(pids: list[int]) -> None:
    """Continue frozen processes."""
    _signal_all(pids, signal.SIGCONT)


@contextmanager
def running(directory: Path) -> Iterator[Soak]:
    """Servers, sandbox and `serve --all`, ready to install. All ends with the block."""
    port = free_port()
    web, token = f"http://127.0.0.1:{port}", secrets.token_urlsafe(24)
    options = Options(
        port=free_port(),
        locations=LOCATIONS,
        contacts=CONTACTS,
        redirect_uris=(f"{web}/oauth/callback",),
        webhook_url=f"{web}/webhooks/",
        webhook_time_scale=0.05,
    )
    with serve_in_thread(options) as sandbox:
        _set_environment(directory, options, sandbox, web, token)
        services = development.prepare(directory)
        assert services is not None
        os.environ["DEBUG"] = "false"
        serve = None
        try:
            password = _prepare_database()
            serve = _serve(directory, port)
            soak = Soak(directory, web, password, token, sandbox, serve)
            soak.platform.deliveries.log = type(soak.platform.deliveries.log)(maxlen=MOST_DELIVERIES)
            yield soak
        finally:
            if serve is not None:
                for pid in [serve.pid, *_children(serve.pid)]:
                    thaw([pid])
                serve.terminate()
                serve.wait()
            services.stop()


def _set_environment(directory: Path, options: Options, sandbox: Embedded, web: str, token: str) -> None:
    assert sandbox.platform is not None
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    private_directory(directory)
    os.environ.update(
        variables(listed(options, SCOPES), options.seed, sandbox.url),
        DJANGO_SETTINGS_MODULE="hlapp.settings",
        HLAPP_APPS="bench.soak_app",
        PUBLIC_URL=web,
        ALLOWED_HOSTS="127.0.0.1",
        SSL_REDIRECT="false",
        METRICS_TOKEN=token,
        LOG_LEVEL="WARNING",
        **{WRITES_IN: next(iter(sandbox.platform.world.locations)), CRASHES_WHILE: str(directory / "crash")},
    )


def _prepare_database() -> str:
    """The tables and an operator. Returns the operator's password."""
    import django  # noqa: PLC0415 - settings read the environment made above

    django.setup()
    from integrations.demo import deployment  # noqa: PLC0415

    password = deployment.prepare_database(DATABASE)
    os.environ["DATABASE_URL"] = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{DATABASE}"))
    return password


def _serve(directory: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hlapp", "serve", "--all", "--bind", f"127.0.0.1:{port}"]
    with (directory / "serve.log").open("ab") as log:
        return subprocess.Popen([*command, "--directory", str(directory)], stdout=log, stderr=log)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def _program(pid: int) -> str:
    """Name of the program that the process runs, from its command line; empty for another process."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if "gunicorn" in words:
        return "web"
    if "beat" in words:
        return "beat"
    return "worker-urgent" if any(word.startswith("worker-urgent-") for word in words) else "worker" * ("-Q" in words)
