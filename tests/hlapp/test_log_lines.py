"""Lines of the app, gunicorn and Celery: one format, the ids of their work, and no secret."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from celery.utils.log import get_logger, get_task_logger
from django.conf import settings as configuration
from django.test import Client
from gunicorn.config import Config
from pytest_django import Settings

from hlapp.env import Env
from hlapp.observing import log_format, request_scope, uncaught
from hlapp.observing.gunicorn_log import GunicornLog
from hlapp.supervisor.outputs import JsonLines
from integrations.core.observing import log_scope
from tests.support import row_errors
from tests.support.processes import celery
from tests.support.waiting import wait_until
from tests.support.web import gunicorn

SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ." + "canary" * 7
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The lines of all loggers, as JSON of production."""
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    log_format.configure({"level": "DEBUG", "pretty": False})
    stream = io.StringIO()
    [handler] = logging.getLogger().handlers[-1:]
    assert isinstance(handler, logging.StreamHandler)
    handler.stream = stream
    before = dict(log_scope.current())
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log_scope.begin(**before)
    structlog.reset_defaults()
    log_format.configure(configuration.LOGGING)


@pytest.fixture
def web_log(written: Lines) -> Iterator[GunicornLog]:
    """gunicorn's logger as its processes make it, writing where all others do."""
    config = Config()
    config.set("accesslog", "-")
    config.set("loglevel", "debug")
    [ours] = logging.getLogger().handlers[-1:]
    stream = ours.stream  # type: ignore[attr-defined]
    log = GunicornLog(config)
    for handler in (*log.error_log.handlers, *log.access_log.handlers):
        handler.stream = stream
    [root] = logging.getLogger().handlers[-1:]
    root.stream = stream  # type: ignore[attr-defined]
    yield log
    for logger in (log.error_log, log.access_log):
        logger.handlers.clear()
        logger.propagate = True


def access(log: GunicornLog, path: str = "/install/", status: str = "302 Found", **more: str) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": "192.0.2.7", **more}
    log.access(SimpleNamespace(status=status, sent=12), None, environ, timedelta(milliseconds=3))


def test_a_secret_through_each_of_the_four_loggers_is_never_written(written: Lines, web_log: GunicornLog) -> None:
    with log_scope.scope(request_id="request-1", trace=TRACE, tenant="location:l1", run=7, webhook_id="e-1"):
        structlog.get_logger("integrations.some.room").warning("call.failed", answer=f"Bearer {SECRET}")
        web_log.error("Error handling request %s", f"/oauth/callback?code={SECRET}")
        access(web_log, path=f"/x/{SECRET}", QUERY_STRING=f"code={SECRET}", HTTP_USER_AGENT=f"a {SECRET}")
        get_logger("celery.worker").error("lost %r", {"access_token": SECRET})
        get_task_logger("sync.advance").warning("refresh_token=%s", SECRET)
        try:
            raise ConnectionError(f"redis://:{SECRET}@host/0")
        except ConnectionError:
            web_log.exception("Exception in worker process")
    lines = written()
    assert "canary" not in json.dumps(lines)
    assert [line["logger"] for line in lines] == [
        "integrations.some.room",
        "gunicorn.error",
        "gunicorn.access",
        "celery.worker",
        "sync.advance",
        "gunicorn.error",
    ]
    ids = {"request_id": "request-1", "trace": TRACE, "tenant": "location:l1", "run": 7, "webhook_id": "e-1"}
    assert [{name: line.get(name) for name in ids} for line in lines] == [ids] * 6
    assert {"event", "level", "timestamp"} <= set.intersection(*({*line} for line in lines))


def test_the_line_of_a_request(written: Lines, web_log: GunicornLog) -> None:
    access(web_log, QUERY_STRING="code=abc", HTTP_USER_AGENT="browser")
    access(web_log, path="/readyz", status="200 OK")
    access(web_log, path="/readyz", status="503 Service Unavailable")
    first, second = written()
    expected = {"event": "web.request", "method": "GET", "path": "/install/", "status": 302, "bytes": 12}
    assert expected.items() <= first.items()
    assert (first["seconds"], first["client"], first["agent"]) == (0.003, "192.0.2.7", "browser")
    assert (second["path"], second["status"]) == ("/readyz", 503)


def test_no_line_of_requests_unless_wanted(written: Lines, web_log: GunicornLog) -> None:
    config = Config()
    config.set("accesslog", None)
    web_log.setup(config)
    access(web_log)
    assert written() == []


@pytest.mark.parametrize(
    ("given", "behind_proxy", "taken"),
    [
        ("from-the-proxy.17", True, True),
        ("from-the-proxy.17", False, False),  # a client's invention
        ("short", True, False),
        ("x" * 65, True, False),
        ('a"b\n{"event": "forged"}', True, False),
        ("", True, False),
    ],
)
def test_a_request_id_is_the_proxys_if_it_is_well_formed(given: str, behind_proxy: bool, taken: bool) -> None:
    ids = log_scope.of_request(given, PARENT, behind_proxy=behind_proxy)
    assert (ids["request_id"] == given) is taken
    assert len(ids["request_id"]) >= 8
    assert (ids["trace"] == TRACE) is behind_proxy


@pytest.mark.parametrize("parent", ["", TRACE, f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01"])
def test_a_trace_that_is_malformed_is_replaced(parent: str) -> None:
    trace = log_scope.of_request("", parent, behind_proxy=True)["trace"]
    assert len(trace) == 32
    assert trace not in parent


def test_each_request_has_its_id_in_its_lines_and_its_answer(written: Lines, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    answered: list[dict[str, str]] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        log_scope.note(tenant="location:l1")
        structlog.get_logger("app").info("app.worked")
        return [b""]

    served = request_scope.identified(application)
    served({"HTTP_X_REQUEST_ID": "proxy-4711"}, lambda status, headers: answered.append(dict(headers)))
    structlog.get_logger("gunicorn.access").info("web.request")  # written after the answer, with the same ids
    served({}, lambda status, headers: answered.append(dict(headers)))
    first, line, second = written()
    assert first["request_id"] == line["request_id"] == answered[0]["X-Request-ID"] == "proxy-4711"
    assert line["tenant"] == "location:l1"
    assert second["request_id"] == answered[1]["X-Request-ID"] != "proxy-4711"


def test_an_error_page_shows_the_id_of_its_request(db: None, client: Client) -> None:
    with log_scope.scope(request_id="request-to-quote"):
        page = client.get("/oauth/callback?state=unknown&code=x")
        as_json = client.get("/oauth/callback?state=unknown&code=x", headers={"accept": "application/json"})
    assert "request-to-quote" in page.content.decode()
    assert as_json.json()["error"]["request_id"] == "request-to-quote"


def test_scopes_nest_and_end(written: Lines) -> None:
    log = structlog.get_logger("app")
    with log_scope.scope(tenant="company:c1"):
        with log_scope.scope(tenant="location:l1", run=None):
            log.info("inside", tenant="said by the line itself")
        log.info("outside")
    log.info("after")
    assert [line.get("tenant") for line in written()] == ["said by the line itself", "company:c1", None]
    assert not any("run" in line for line in written())


def test_what_nothing_caught_is_a_redacted_line(written: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.setattr(threading, "excepthook", None)
    uncaught.log_uncaught()

    def break_off() -> None:
        raise RuntimeError(f"access_token={SECRET}")

    thread = threading.Thread(target=break_off, name="drain")
    thread.start()
    thread.join()
    [line] = written()
    assert (line["event"], line["thread"], line["level"]) == ("thread.crashed", "drain", "critical")
    assert "RuntimeError" in line["exception"]
    assert "canary" not in json.dumps(line)


def test_serve_makes_every_line_json_and_names_its_process() -> None:
    stream = io.StringIO()
    output = JsonLines(stream)
    output.write("web", '{"event": "web.request"}')
    output.write("beat", f"Fatal Python error: access_token={SECRET}")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {"process": "web", "event": "web.request"}
    assert (second["process"], second["level"]) == ("beat", "info")
    assert second["event"].startswith("Fatal Python error")
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize(
    ("variables", "pretty"),
    [
        ({}, False),
        ({"DEBUG": "true"}, True),
        ({"DEBUG": "true", "LOG_FORMAT": "json"}, False),
        ({"LOG_FORMAT": "text"}, True),
    ],
)
def test_which_format(variables: dict[str, str], pretty: bool) -> None:
    chosen = log_format.options(Env(variables))
    assert chosen == {"level": "INFO", "pretty": pretty, "access": True}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_all_that_gunicorn_and_celery_write_is_json(clean_redis: Any, tmp_path: Path) -> None:
    env = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json", "TRUSTED_PROXIES": "1"}
    web_path, worker_path = tmp_path / "web", tmp_path / "worker"
    with web_path.open("wb") as web_file, worker_path.open("wb") as worker_file:
        worker = celery("-q worker -P threads -c 2 -Q urgent,api -l INFO", worker_file, **env)
        with gunicorn(stderr=web_file.fileno(), **env) as web:
            answer = web.get("/oauth/callback?code=planted&state=unknown", **{"X-Request-ID": "proxy-4711"})
        wait_until(lambda: "ready." in worker_path.read_text() or worker.poll() is not None)
        worker.terminate()
        worker.wait(30)
    lines = [line for path in (web_path, worker_path) for line in path.read_text().splitlines() if line]
    # Celery says this one in its handler of the signal, in which nothing may log.
    said = [json.loads(line) for line in lines if line != "worker: Warm shutdown (MainProcess)"]
    assert answer.headers["X-Request-ID"] == "proxy-4711"
    of_the_request = [line["event"] for line in said if line.get("request_id") == "proxy-4711"]
    assert {"page.refused", "web.request"} <= {*of_the_request}
    assert {"gunicorn.access", "celery.apps.worker"} <= {line["logger"] for line in said}
    assert "planted" not in json.dumps(said)


def test_no_text_rewrites_the_terminal_or_forges_a_line() -> None:
    forged = "\x1b[2J\x1b]0;title\x07\n2026-01-01T00:00:00Z [info] sign_in.succeeded"
    formatter = log_format.formatter(pretty=True)
    try:
        raise ValueError(forged)
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    record = logging.LogRecord("library", logging.WARNING, "x.py", 1, "odd: %s", (forged,), found)
    record.__dict__["path"] = forged
    first, *lines = formatter.format(record).splitlines()
    assert "odd: \\x1b[2J\\x1b]0;title\\x07" in first
    assert len(lines) > 3, "the traceback follows"
    for line in lines:
        assert line.isprintable()
        assert not line.startswith("2026-01-01")


def test_a_traceback_has_no_row_that_the_database_refused(db: None, written: Lines) -> None:
    for error in row_errors.raised():
        try:
            raise RuntimeError("not stored") from error
        except RuntimeError:
            structlog.get_logger("app").exception("write.broke")
        logging.getLogger("celery.app.trace").error("Task raised unexpected: %r", error, exc_info=error)
    lines = written()
    assert len(lines) == 8
    assert "person_name_check" in lines[0]["exception"]
    assert lines[0]["exception"].endswith("RuntimeError: not stored")
    assert [word for word in row_errors.WORDS if word in json.dumps(lines)] == []
