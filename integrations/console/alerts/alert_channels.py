"""Channels of alerts: e-mail (`ALERT_EMAILS`) and a webhook (`ALERT_WEBHOOK_URL`).

The body of the webhook is JSON: `text`, which Slack and what understands its webhooks show, and `alerts`, a list for
programs. In `text` the marks of Slack's markup are escaped: a finding may have words of the vendor and names of
accounts, and `<!channel>` or a link in one would be a call to everybody or a trap. With `ALERT_WEBHOOK_SECRET` the
header `X-Hlapp-Signature` is `t=<seconds>,v1=<hex>`: the HMAC-SHA256 of `<seconds>.<body>` under that secret.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.conf import settings

from integrations.console.doctor.findings import Level
from integrations.console.models import OperatorAlert
from integrations.core import audit, clock
from integrations.core.sensitive import sensitive
from integrations.vault import https_source

TESTED = "alerts.tested"  # the action in the audit trail
_SECONDS = 10.0
_WORDS = {Level.FAILED: "in trouble", Level.WARNING: "to look at", Level.UNKNOWN: "not known"}
log = structlog.get_logger(__name__)


def configured() -> list[str]:
    """The channels that are set."""
    return [name for name, (setting, _) in _CHANNELS.items() if getattr(settings, setting)]


def tell(alerts: Sequence[OperatorAlert], over: Sequence[OperatorAlert] = ()) -> dict[str, str]:
    """Send to every channel. Returns what went wrong, by channel."""
    troubles = {}
    for name in configured():
        try:
            with sensitive():
                _CHANNELS[name][1](alerts, over)
        except (https_source.NoAnswer, OSError, smtplib.SMTPException) as error:
            told = error.smtp_error if isinstance(error, smtplib.SMTPResponseException) else error
            troubles[name] = f"{type(error).__name__}: {told!s:.200}"
            log.error("alerts.not_told", channel=name, reason=troubles[name])  # noqa: TRY400 - the reason says it all
    return troubles


def test(*, actor: str) -> dict[str, str]:
    """Send a test to every channel and record it. Returns what went wrong of each, empty where nothing did."""
    troubles = tell([])
    outcomes = {name: troubles.get(name, "") for name in configured()}
    if outcomes:
        audit.record(TESTED, actor=actor, subject="alerts", outcomes=outcomes)
    return outcomes


def ping() -> None:
    """Tell `ALERT_PING_URL`, if it is set, that alerts are at work."""
    if settings.ALERT_PING_URL:
        try:
            https_source.post(settings.ALERT_PING_URL, b"", timeout=_SECONDS, headers={})
        except https_source.NoAnswer as error:
            log.warning("alerts.no_ping", reason=str(error))


def title(alerts: Sequence[OperatorAlert], over: Sequence[OperatorAlert]) -> str:
    """One line: how much of what."""
    counts = [(words, sum(row.level == level for row in alerts)) for level, words in _WORDS.items()]
    parts = [f"{count} {words}" for words, count in [*counts, ("over", len(over))] if count]
    return f"hlapp at {urlsplit(settings.PUBLIC_URL).netloc}: {', '.join(parts) or 'a test'}"


def _lines(alerts: Sequence[OperatorAlert], over: Sequence[OperatorAlert]) -> list[str]:
    found = [
        f"{row.level.upper()} since {row.since:%Y-%m-%d %H:%M} UTC: {row.found}"
        + (f"\n  {row.fix}" if row.fix else "")
        + (f"\n  {_absolute(row.link)}" if row.link else "")
        for row in alerts
    ]
    return found + [f"OVER: {row.found}" for row in over]


def _absolute(link: str) -> str:
    return link if "://" in link else settings.PUBLIC_URL.rstrip("/") + link


def _escaped(text: str) -> str:
    """Text without Slack's markup (https://docs.slack.dev/messaging/formatting-message-text/#escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _by_webhook(alerts: Sequence[OperatorAlert], over: Sequence[OperatorAlert]) -> None:
    rows = [*((row, False) for row in alerts), *((row, True) for row in over)]
    content: dict[str, Any] = {
        "text": _escaped("\n".join([title(alerts, over), *_lines(alerts, over)])),
        "alerts": [
            {
                "key": row.key,
                "level": row.level,
                "found": row.found,
                "fix": row.fix,
                "link": _absolute(row.link) if row.link else "",
                "since": row.since.isoformat(),
                "over": is_over,
            }
            for row, is_over in rows
        ],
    }
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    if settings.ALERT_WEBHOOK_SECRET:
        seconds = int(clock.now().timestamp())
        signed = hmac.new(settings.ALERT_WEBHOOK_SECRET.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
        headers["X-Hlapp-Signature"] = f"t={seconds},v1={signed.hexdigest()}"
    https_source.post(settings.ALERT_WEBHOOK_URL, body, timeout=_SECONDS, headers=headers)


def _by_email(alerts: Sequence[OperatorAlert], over: Sequence[OperatorAlert]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = title(alerts, over), settings.ALERT_EMAIL_FROM
    message["To"] = ", ".join(settings.ALERT_EMAILS)
    message.set_content("\n\n".join(_lines(alerts, over)) or "Alerts arrive here.")
    server = urlsplit(settings.ALERT_SMTP_URL)
    host, port = server.hostname or "localhost", server.port or (465 if server.scheme == "smtps" else 587)
    trusted = ssl.create_default_context()  # smtplib by itself takes any certificate
    is_encrypted = server.scheme == "smtps"
    kind = functools.partial(smtplib.SMTP_SSL, context=trusted) if is_encrypted else smtplib.SMTP
    with kind(host, port, timeout=_SECONDS) as smtp:
        if server.username:  # a password goes over an encrypted connection only, to the host that is meant
            if not is_encrypted:
                smtp.starttls(context=trusted)
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(message)


_CHANNELS: dict[str, tuple[str, Callable[[Sequence[OperatorAlert], Sequence[OperatorAlert]], None]]] = {
    "e-mail": ("ALERT_EMAILS", _by_email),
    "webhook": ("ALERT_WEBHOOK_URL", _by_webhook),
}
