"""What operators are told: once when it lasts, again after a day, when it is over, and by every channel that is set."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings
from pytest_httpserver import HTTPServer
from werkzeug import Request

from hlapp import env
from integrations.console import tasks
from integrations.console.alerts import alert_channels, watch
from integrations.console.doctor import live_checks
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.live_checks import LiveCheck
from integrations.console.models import OperatorAlert
from tests.support.false_server import STARTTLS, false_server

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "the secret of the webhook"
EVENTS = Finding("waiting events", Level.FAILED, "100,000 events wait", "start a worker", "/admin/webhooks/event/")
KEYS = Finding("vault", Level.WARNING, "a key may go", "run vault rotate")


class Hook:
    """The other side of the webhook."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server

    @property
    def requests(self) -> list[Request]:
        return [request for request, _ in self.server.log if request.path == "/hook"]

    @property
    def told(self) -> list[list[tuple[str, bool]]]:
        """Of each message the findings, and whether they are over."""
        sent = [json.loads(request.get_data())["alerts"] for request in self.requests]
        return [[(one["found"], one["over"]) for one in alerts] for alerts in sent]


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the only check finds."""
    now: list[Finding] = []

    def check() -> Iterator[Finding]:
        yield from now

    monkeypatch.setattr(live_checks, "HEARTBEATS", ())
    monkeypatch.setattr(live_checks, "CHECKS", (LiveCheck(check, "any", "index"),))
    return now


@pytest.fixture
def hook(httpserver: HTTPServer, settings: Settings) -> Hook:
    httpserver.expect_request("/hook").respond_with_data("ok")
    settings.ALERT_WEBHOOK_URL = httpserver.url_for("/hook")
    settings.ALERT_WEBHOOK_SECRET = SECRET
    return Hook(httpserver)


def look(**later: float) -> None:
    watch.look(NOON + timedelta(**later))


def test_what_lasts_is_told_once_and_when_it_is_over(findings: list[Finding], hook: Hook) -> None:
    findings += [EVENTS, KEYS, Finding("audit trail", Level.OK, "all fits")]
    look()
    assert hook.told == [], "it may pass"
    look(minutes=2)
    look(minutes=3)
    assert hook.told == [[(EVENTS.found, False), (KEYS.found, False)]]
    findings.remove(KEYS)
    look(minutes=4)
    look(minutes=5)
    assert hook.told[1:] == [[(KEYS.found, True)]]
    look(hours=25)
    assert hook.told[2:] == [[(EVENTS.found, False)]], "it lasts for a day"


def test_what_passes_is_not_told_and_what_becomes_worse_is(findings: list[Finding], hook: Hook) -> None:
    findings.append(KEYS)
    look()
    findings.clear()
    look(minutes=1)
    assert not OperatorAlert.objects.exists()
    findings.append(KEYS)
    look(minutes=2)
    look(minutes=4)
    findings[:] = [Finding("vault", Level.FAILED, "no key", "put it back")]
    look(minutes=5)
    look(minutes=7)
    assert hook.told == [[(KEYS.found, False)], [("no key", False)]]


def test_the_webhook_is_signed_and_links_to_the_page(findings: list[Finding], hook: Hook) -> None:
    findings.append(EVENTS)
    look()
    look(minutes=3)
    (request,) = hook.requests
    moment, signature = (part.partition("=")[2] for part in request.headers["X-Hlapp-Signature"].split(","))
    signed = f"{moment}.".encode() + request.get_data()
    assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == signature
    text = json.loads(request.get_data())["text"]
    assert text.splitlines()[0].endswith(": 1 in trouble")
    assert "https://app.example.com/admin/webhooks/event/" in text


def test_the_name_of_an_account_calls_nobody_and_is_no_link(findings: list[Finding], hook: Hook) -> None:
    name = "<!channel> <https://x.example|Sign in> & more"
    findings.append(Finding("installations", Level.FAILED, f"3 locations of {name} are missing"))
    look()
    look(minutes=3)
    sent = json.loads(hook.requests[0].get_data())
    assert "&lt;!channel&gt; &lt;https://x.example|Sign in&gt; &amp; more" in sent["text"]
    assert "<" not in sent["text"]
    assert name in sent["alerts"][0]["found"], "programs read it as it is"


def test_personal_data_is_masked(findings: list[Finding], hook: Hook) -> None:
    findings.append(Finding("jobs", Level.FAILED, "ann@example.com cannot be reached"))
    look()
    look(minutes=3)
    assert "ann@" not in hook.requests[0].get_data(as_text=True)


def test_a_channel_that_takes_nothing_is_tried_again(
    findings: list[Finding], httpserver: HTTPServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALERT_WEBHOOK_URL = httpserver.url_for("/hook?token=of-the-address")
    httpserver.expect_oneshot_request("/hook").respond_with_data("", 500)
    findings.append(EVENTS)
    look()
    look(minutes=3)
    assert OperatorAlert.objects.get().told_at is None
    httpserver.expect_oneshot_request("/hook").respond_with_data("", 204)
    look(minutes=4)
    assert OperatorAlert.objects.get().told_at == NOON + timedelta(minutes=4)
    ours = [str(record.msg) for record in caplog.records if record.name.startswith("integrations.")]
    assert any("answered 500" in line for line in ours)
    assert not any("of-the-address" in line for line in ours)


def test_two_workers_tell_once_and_a_killed_one_holds_nothing_up(findings: list[Finding], hook: Hook) -> None:
    findings.append(EVENTS)
    look()
    OperatorAlert.objects.update(telling_until=NOON + timedelta(minutes=4))
    look(minutes=3)
    assert hook.told == []
    look(minutes=5)
    assert hook.told == [[(EVENTS.found, False)]]


def test_in_quiet_hours_only_trouble_is_told(findings: list[Finding], hook: Hook, settings: Settings) -> None:
    settings.ALERT_QUIET_HOURS = (11, 13)
    findings += [EVENTS, KEYS]
    look()
    look(minutes=3)
    look(hours=1)
    assert hook.told == [[(EVENTS.found, False)], [(KEYS.found, False)]]
    settings.ALERT_QUIET_HOURS = (22, 7)
    quiet = [hour for hour in range(24) if watch._is_quiet(NOON.replace(hour=hour))]
    assert quiet == [0, 1, 2, 3, 4, 5, 6, 22, 23]


def test_a_muted_alert_is_told_to_nobody_until_then(findings: list[Finding], hook: Hook) -> None:
    findings.append(EVENTS)
    look()
    with time_machine.travel(NOON, tick=False):
        call_command("alerts", "mute", str(OperatorAlert.objects.get().pk), "--hours", "2", stdout=StringIO())
    look(hours=1)
    assert hook.told == []
    look(hours=2)
    assert hook.told == [[(EVENTS.found, False)]]
    with pytest.raises(CommandError, match="there is no alert 0"):
        call_command("alerts", "mute", "0")


def test_a_muted_warning_that_becomes_trouble_is_told(findings: list[Finding], hook: Hook) -> None:
    findings.append(KEYS)
    look()
    watch.mute(OperatorAlert.objects.get().pk, NOON + timedelta(days=7), actor="the test")
    findings[:] = [Finding("vault", Level.FAILED, "no key", "put it back")]
    look(minutes=1)
    look(minutes=4)
    assert hook.told == [[("no key", False)]]


def test_a_muted_alert_that_comes_and_goes_stays_muted(findings: list[Finding], hook: Hook) -> None:
    findings.append(EVENTS)
    look()
    watch.mute(OperatorAlert.objects.get().pk, NOON + timedelta(hours=8), actor="the test")
    findings.clear()
    look(minutes=1)
    findings.append(EVENTS)
    look(minutes=2)
    look(minutes=8)
    assert hook.told == []
    look(hours=9)
    assert hook.told == [[(EVENTS.found, False)]]


class Mailbox:
    """A server that takes mail; the protocol is the standard library's."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    def __call__(self, host: str, port: int, *, timeout: float) -> Mailbox:
        self.steps.append((host, port))
        return self

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def starttls(self, *, context: ssl.SSLContext) -> None:
        assert context.verify_mode == ssl.CERT_REQUIRED
        self.steps.append("encrypted")

    def login(self, user: str, password: str) -> None:
        self.steps.append((user, password))

    def send_message(self, message: Any) -> None:
        self.steps.append((message["To"], message["Subject"], message.get_content()))


def test_an_email_goes_to_all_over_an_encrypted_connection(
    findings: list[Finding], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Mailbox()
    monkeypatch.setattr(smtplib, "SMTP", server)
    settings.ALERT_EMAILS = ["ann@example.com", "bob@example.com"]
    settings.ALERT_SMTP_URL = "smtp://us%40er:pass%2Fword@mail.example.com"
    findings.append(EVENTS)
    look()
    look(minutes=3)
    *steps, (to, subject, text) = server.steps
    assert steps == [("mail.example.com", 587), "encrypted", ("us@er", "pass/word")]
    assert (to, subject) == ("ann@example.com, bob@example.com", "hlapp at app.example.com: 1 in trouble")
    assert "100,000 events wait" in text
    assert "start a worker" in text


@pytest.mark.parametrize(("scheme", "before_tls"), [("smtps", ()), ("smtp", STARTTLS)])
def test_no_password_goes_to_a_mail_server_with_a_false_certificate(
    settings: Settings, tmp_path: Path, scheme: str, before_tls: tuple[str, ...]
) -> None:
    with false_server(tmp_path, before_tls=before_tls) as server:
        settings.ALERT_EMAILS = ["ann@example.com"]
        settings.ALERT_SMTP_URL = f"{scheme}://user:password@127.0.0.1:{server.port}"
        assert "SSLCertVerificationError" in alert_channels.tell([])["e-mail"]
    assert server.handshakes == [False]


def test_without_a_channel_nothing_is_looked_for(findings: list[Finding]) -> None:
    findings.append(EVENTS)
    look()
    assert not OperatorAlert.objects.exists()
    assert tasks.ALERTS.take(10, NOON) == []
    with pytest.raises(CommandError, match="no channel is set"):
        call_command("alerts", "test")


def test_each_look_is_pinged_and_started_by_the_dispatcher(
    findings: list[Finding], hook: Hook, settings: Settings
) -> None:
    hook.server.expect_request("/ping", method="POST").respond_with_data("ok")
    settings.ALERT_PING_URL = hook.server.url_for("/ping")
    assert tasks.ALERTS.take(10, NOON) == [1]
    tasks.alert(look=1)
    assert [request.path for request, _ in hook.server.log] == ["/ping"]


def test_the_command_lists_and_tests(findings: list[Finding], hook: Hook) -> None:
    findings.append(EVENTS)
    look()
    out = StringIO()
    call_command("alerts", "list", stdout=out)
    call_command("alerts", "test", stdout=out)
    assert "failed since 2026-11-01 12:00 UTC, not told yet: 100,000 events wait" in out.getvalue()
    assert "webhook: took it" in out.getvalue()
    assert hook.told == [[]]
    assert alert_channels.title([], []).endswith(": a test")


@pytest.mark.parametrize("raw", ["22", "22-24", "a-b", "-1-5", "1-2-3"])
def test_hours_that_are_none_are_refused(raw: str) -> None:
    read = env.Env({"ALERT_QUIET_HOURS": raw})
    assert read.hours("ALERT_QUIET_HOURS", default=()) == ()
    with pytest.raises(env.ConfigurationError, match="should be two hours such as 22-7"):
        read.check()
    assert env.Env({"H": "22-7"}).hours("H") == (22, 7)
