"""The development profile and `manage.py`: what they fill, what they leave, and how they fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection as django_connection
from django.db.utils import DatabaseErrorWrapper, OperationalError, ProgrammingError

from hlapp import command_line, development, project
from hlapp.embedded import EmbeddedError
from integrations.vault import keys
from tests.hlapp.launcher import PROJECT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

BARE = {"PATH": os.environ["PATH"]}


# --- the profile -----------------------------------------------------------------------------------------------
def test_an_empty_environment_is_filled(tmp_path: Path) -> None:
    environ: dict[str, str] = {}

    assert development.prepare(tmp_path / "state", services=False, environ=environ) is None

    assert environ["DEBUG"] == "true"
    assert environ["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert environ["ALLOWED_HOSTS"] == "127.0.0.1,localhost"
    assert len(environ["SECRET_KEY"]) >= 50
    assert keys.parse(environ["VAULT_KEYS"].split(",")).newest == "development"
    assert environ["DATABASE_URL"].startswith("postgresql://nobody@127.0.0.1:1/")


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    development.prepare(tmp_path / "state", services=False, environ=first)
    development.prepare(tmp_path / "state", services=False, environ=second)
    elsewhere: dict[str, str] = {}
    development.prepare(tmp_path / "other", services=False, environ=elsewhere)

    assert first == second
    assert first["SECRET_KEY"] != elsewhere["SECRET_KEY"]
    assert first["VAULT_KEYS"] != elsewhere["VAULT_KEYS"]
    assert (tmp_path / "state/secrets.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["secrets.json"]


def test_first_runs_at_the_same_time_agree_on_the_keys(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hlapp import development; environ = {};"
        "development.prepare(Path(sys.argv[1]), services=False, environ=environ); print(environ['VAULT_KEYS'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "state")]

    def run(_: int) -> str:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(run, range(4)))) == 1


def test_what_is_set_stays_also_when_a_file_holds_it(tmp_path: Path) -> None:
    environ = {"DEBUG": "false", "SECRET_KEY_FILE": "/run/secrets/key", "DATABASE_URL": "postgresql://h/d"}

    development.prepare(tmp_path / "state", services=False, environ=environ)

    assert environ["DEBUG"] == "false"
    assert "SECRET_KEY" not in environ
    assert environ["DATABASE_URL"] == "postgresql://h/d"
    assert environ["REDIS_URL"] == "redis://127.0.0.1:1/0"


def test_only_the_missing_server_is_started(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://h/d"}

    services = development.prepare(tmp_path / "state", environ=environ)
    assert services is not None
    try:
        assert environ["DATABASE_URL"] == "postgresql://h/d"
        with redis.Redis.from_url(environ["REDIS_URL"]) as client:
            assert client.ping() is True
    finally:
        services.stop()

    assert not (tmp_path / "state/postgres").exists()


def test_with_both_urls_set_nothing_is_started(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h"}

    assert development.prepare(tmp_path / "state", environ=environ) is None


def test_damaged_secrets_are_one_clear_line_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state/secrets.json"
    path.parent.mkdir(mode=0o700)
    path.write_text("{")

    with pytest.raises(EmbeddedError, match=r"secrets\.json is damaged: restore it, or remove"):
        development.prepare(tmp_path / "state", services=False, environ={})

    assert path.read_text() == "{"


# --- the command line ------------------------------------------------------------------------------------------
def run_manage(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env={**BARE, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def test_production_without_its_variables_stops_with_one_line() -> None:
    done = run_manage("check", DEBUG="false")  # said, so that no demo of somebody's is joined

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    for name in ("SECRET_KEY", "VAULT_KEYS", "PUBLIC_URL", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"):
        assert f"{name} is not set" in done.stderr


def test_production_sends_secrets_to_no_address_that_it_does_not_allow() -> None:
    plain, elsewhere = "http://services.leadconnectorhq.com", "https://elsewhere.example"
    addresses = {"HIGHLEVEL_API_URL": plain, "HIGHLEVEL_MARKETPLACE_URL": elsewhere}
    done = run_manage("check", DEBUG="false", HIGHLEVEL_ALLOWED_HOSTS="services.leadconnectorhq.com", **addresses)

    assert "HIGHLEVEL_API_URL is refused: services.leadconnectorhq.com is asked over plain HTTP" in done.stderr
    assert "HIGHLEVEL_MARKETPLACE_URL is refused: secrets may not be sent to elsewhere.example" in done.stderr


@pytest.mark.parametrize("command", [["catalogue", "list"], ["call", "--help"], ["demo", "--help"]])
def test_what_needs_no_server_needs_nothing(command: list[str]) -> None:
    done = run_manage(*command)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_development_tool_without_its_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(development, "find_spec", lambda _: None)
    monkeypatch.setattr(development.project, "PACKAGE", Path("/nowhere/site-packages/hlapp"))
    for command in ("demo", "sandbox"):
        expected = f"{command} needs what this Python lacks: pip install 'hlapp[development]'"
        assert development.refusal(command, {}) == expected
    assert development.refusal("status", {}) is None
    assert "production leaves out" in str(development.refusal("demo", {"SECRET_KEY": "x"})), "the first of two reasons"


@pytest.mark.parametrize("production", [{"DEBUG": "false"}, {"SECRET_KEY": "x"}, {"VAULT_KEYS_FILE": "/run/keys"}])
@pytest.mark.parametrize("command", ["sandbox", "demo"])
def test_a_development_tool_says_in_production_what_to_do(production: dict[str, str], command: str) -> None:
    done = run_manage(command, **production)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"{command} is a development tool that production leaves out: run DEBUG=true manage.py {command}\n"
    )


@pytest.mark.parametrize("debug", ["true", "false"])
def test_only_a_development_run_installs_the_tools(tmp_path: Path, debug: str) -> None:
    environ = {**BARE, "DEBUG": debug, "DJANGO_SETTINGS_MODULE": "hlapp.settings"}
    development.prepare(tmp_path / "state", services=False, environ=environ)
    program = "from django.conf import settings; print(*settings.INSTALLED_APPS)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True
    )

    tools = {"integrations.sandbox", "integrations.demo"} & set(done.stdout.split())

    assert bool(tools) is (debug == "true")


def test_a_malformed_debug_stops_before_anything_starts() -> None:
    done = run_manage("migrate", DEBUG="maybe")

    assert done.returncode == 1
    assert done.stderr == "configuration: DEBUG should be true or false: found 'maybe'\n"


def test_a_database_that_refuses_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(_: list[str]) -> None:
        try:
            psycopg.connect("postgresql://somebody:hunter2@127.0.0.1:1/nowhere")
        except psycopg.OperationalError as error:
            raise OperationalError(*error.args) from error

    monkeypatch.setattr(command_line, "execute_from_command_line", migrate)

    said = str(command_line.main(["manage.py", "migrate"]))

    assert said.startswith("database unreachable or failing: connection failed: ")
    assert "Connection refused" in said
    assert "\n" not in said
    assert "hunter2" not in said
    with pytest.raises(OperationalError):
        command_line.main(["manage.py", "migrate", "--traceback"])


def test_so_is_one_that_a_command_asked_through_its_pool() -> None:
    nowhere = {"DATABASE_URL": "postgresql://somebody:hunter2@127.0.0.1:1/nowhere", "REDIS_URL": "redis://127.0.0.1:1"}
    done = run_manage("migrate", DEBUG="true", **nowhere)
    assert done.returncode == 1
    assert done.stderr.startswith("database unreachable or failing: connection failed: ")
    assert "Connection refused" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_a_database_without_our_tables_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def status(query: str) -> Callable[[list[str]], None]:
        def run(_: list[str]) -> None:
            with psycopg.connect(os.environ["DATABASE_URL"]) as connection, DatabaseErrorWrapper(django_connection):
                connection.execute(query)

        return run

    for query in ("SELECT 1 FROM tenants_app_of_tomorrow", "SELECT of_tomorrow FROM pg_class"):
        monkeypatch.setattr(command_line, "execute_from_command_line", status(query))
        assert (
            command_line.main(["manage.py", "status"])
            == "the database is empty or older than the code: run manage.py migrate"
        )
        with pytest.raises(ProgrammingError):
            command_line.main(["manage.py", "status", "--traceback"])

    monkeypatch.setattr(command_line, "execute_from_command_line", status("SELEC 1"))
    with pytest.raises(ProgrammingError):
        command_line.main(["manage.py", "status"])


HOLD = """
import os, sys
sys.path.insert(0, os.getcwd())
from hlapp import command_line
from pathlib import Path
from hlapp import development
with_state = development.prepare
command_line.development.prepare = lambda **options: with_state(Path(sys.argv[2]), **options)
def hold(argv):
    print(os.environ["REDIS_URL"], flush=True)
    sys.stdin.read()
command_line.execute_from_command_line = hold
sys.exit(command_line.main(["manage.py", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("number", "status"), [(None, 0), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_the_servers_end_with_the_command(tmp_path: Path, number: int | None, status: int) -> None:
    environ = {**BARE, "DEBUG": "true", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere"}
    command = [sys.executable, "-c", HOLD, "shell", str(tmp_path / "state")]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with redis.Redis.from_url(url, retry=None) as client:
            assert client.ping() is True
        if number is not None:
            process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode == status
    wait_until(lambda: refuses(url))


def refuses(url: str) -> bool:
    with redis.Redis.from_url(url, retry=None) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            return True
    return False


@pytest.mark.parametrize("command", ["sandbox", "check", "collectstatic", "help", "--version"])
def test_commands_that_need_no_server_start_none(tmp_path: Path, command: str) -> None:
    program = HOLD.replace('os.environ["REDIS_URL"]', 'os.environ["DATABASE_URL"]')
    done = subprocess.run(
        [sys.executable, "-c", program, command, str(tmp_path / "state")],
        cwd=PROJECT,
        env={**BARE, "DEBUG": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "postgresql://nobody@127.0.0.1:1/nowhere\n"
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["secrets.json"]
    assert set(json.loads((tmp_path / "state/secrets.json").read_text())) == {"SECRET_KEY", "VAULT_KEYS"}


def test_an_upgrade_names_the_project_s_own_requirements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HLAPP_PROJECT", raising=False)
    assert project.requirements() == "requirements/base.txt", "of the checkout"
    monkeypatch.setenv("HLAPP_PROJECT", str(tmp_path))
    assert project.requirements() == "the new wheel of hlapp"
    (tmp_path / "requirements.txt").touch()
    assert project.requirements() == "requirements.txt"
