"""The page of alerts: where they go, what lasts, a test whose outcome is shown, and muting; each audited."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from integrations.console.alerts import watch
from integrations.console.doctor.findings import Finding, Level
from integrations.console.models import OperatorAlert
from integrations.core import clock
from integrations.core.models import AuditEntry
from tests.console.alerts.test_alerts import EVENTS, KEYS, SECRET, Hook
from tests.console.alerts.test_alerts import findings as findings
from tests.console.alerts.test_alerts import hook as hook
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
PAGE = "/admin/core/workerprocess/alerts/"


def do(client: Client, action: str, **fields: object) -> str:
    answer = client.post(PAGE, {"action": action, **fields}, follow=True)
    return answer.content.decode() if answer.status_code == 200 else str(answer.status_code)


def entries() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(action__startswith="alerts.").order_by("pk").values_list("action", "actor"))


def test_it_says_where_alerts_go_and_when_and_shows_no_secret(
    findings: list[Finding], hook: Hook, settings: Settings, sign_in: SignIn
) -> None:
    settings.ALERT_WEBHOOK_URL += "?token=of-the-address"
    settings.ALERT_EMAILS, settings.ALERT_SMTP_URL = ["ann@example.com"], "smtp://user:a-password@mail.example.com"
    settings.ALERT_QUIET_HOURS, settings.ALERT_AFTER_MINUTES, settings.ALERT_WARNINGS = (22, 7), 5, False
    operator, viewer = sign_in("operator"), sign_in("viewer")
    text = operator.get(PAGE).content.decode()
    for words in (
        "ann@example.com",
        "localhost, signed, in the form that Slack takes",
        "22 to 7 o’clock UTC",
        "5 min",
        "every 24 h",
        "trouble alone",
    ):
        assert words in text, words
    assert not [one for one in ("of-the-address", "a-password", SECRET) if one in text]
    seen = viewer.get(PAGE).content.decode()
    assert "ann@example.com" not in seen, "masked"
    assert 'value="test"' not in seen
    settings.ALERT_EMAILS, settings.ALERT_WEBHOOK_URL = [], ""
    assert "No channel is set: nobody is told" in viewer.get(PAGE).content.decode()


def test_a_test_is_really_sent_and_the_outcome_of_each_channel_shown(
    findings: list[Finding], hook: Hook, settings: Settings, sign_in: SignIn
) -> None:
    settings.ALERT_EMAILS, settings.ALERT_SMTP_URL = ["ann@example.com"], "smtp://127.0.0.1:1"
    operator, support = sign_in("operator"), sign_in("support")
    assert do(support, "test") == do(support, "mute") == "403"
    assert hook.told == []
    text = do(operator, "test")
    assert hook.told == [[]]
    assert "webhook took the test." in text
    assert "e-mail did not take the test: ConnectionRefusedError" in text
    assert "Last test: operator the-operator" in text
    assert entries() == [("alerts.tested", "operator the-operator")]
    outcomes = AuditEntry.objects.get(action="alerts.tested").detail["outcomes"]
    assert (outcomes["webhook"], "refused" in outcomes["e-mail"]) == ("", True)


@pytest.mark.slow
def test_an_alert_is_muted_for_some_hours_and_told_again(
    findings: list[Finding], hook: Hook, settings: Settings, sign_in: SignIn
) -> None:
    findings += [EVENTS, KEYS]
    now = clock.now()
    watch.look(now - timedelta(minutes=1))
    row, client = OperatorAlert.objects.get(found=EVENTS.found), sign_in("operator")
    assert f'href="{EVENTS.link}"' in client.get(PAGE).content.decode()
    assert "Nobody is told of it for 8 hours." in do(client, "mute", alert=row.pk, hours="8")
    watch.look(now + timedelta(hours=7))
    assert hook.told == [[(KEYS.found, False)]]
    assert "It is told again." in do(client, "unmute", alert=row.pk)
    watch.look(now + timedelta(hours=7, minutes=1))
    assert hook.told[1:] == [[(EVENTS.found, False)]]
    assert "Nothing was changed" in do(client, "mute", alert=row.pk, hours="9999")
    for wrong in ("0", "x", "9" * 30):
        assert "This alert is over." in do(client, "mute", alert=wrong, hours="1")
    assert do(client, "no such action") == "403"
    assert [action for action, _ in entries()] == ["alerts.muted", "alerts.unmuted"]


def test_thresholds_decide_what_is_told_and_when(findings: list[Finding], hook: Hook, settings: Settings) -> None:
    settings.ALERT_AFTER_MINUTES, settings.ALERT_REPEAT_HOURS, settings.ALERT_WARNINGS = 10, 2, False
    findings += [EVENTS, Finding("vault", Level.WARNING, "a key may go")]
    now = clock.now()
    for minutes in (0, 9, 10, 129):
        watch.look(now + timedelta(minutes=minutes))
    assert hook.told == [[(EVENTS.found, False)]]
    watch.look(now + timedelta(minutes=130))
    assert hook.told[1:] == [[(EVENTS.found, False)]]
