"""What a line of the log holds, for a machine and for a person's terminal."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings
from django.test import Client

from hlapp.observing import log_format
from integrations.core import redaction


@pytest.fixture(params=[False, True], ids=["json", "pretty"])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    log_format.configure({"level": "DEBUG", "pretty": request.param})
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, logging.StreamHandler)
    handler.stream = io.StringIO()
    yield handler.stream
    structlog.reset_defaults()
    log_format.configure(settings.LOGGING)


def test_a_traceback_is_logged_without_its_locals(written: io.StringIO) -> None:
    def breaks() -> None:
        local = "-".join(["planted", "in", "a", "local"])
        raise RuntimeError(f"an unforeseen bug of {len(local)} letters")

    try:
        breaks()
    except RuntimeError:
        structlog.get_logger("test").exception("token.refresh_broke", credential=1)
    text = written.getvalue()
    assert "in breaks" in text
    assert "an unforeseen bug" in text
    assert "planted-in-a-local" not in text


def test_secrets_in_a_tracebacks_text_are_blanked(written: io.StringIO) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "s" * 43
    try:
        raise RuntimeError(f"Authorization: Bearer {token}")
    except RuntimeError:
        structlog.get_logger("test").exception("call.broke")
    assert token not in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "refresh_token=planted&a=1",
        "refresh_token='planted'",  # a call's arguments as Python writes them
        'Grant(access_token="planted", expires_in=1)',
        "{'client_secret': 'planted'}",
        '{"refreshToken":"planted"}',
        "/oauth/callback?state=planted&code=planted",
        "code%3Dplanted",
        "redis://:planted@host/0",
    ],
)
def test_what_stands_under_a_secrets_name_is_blanked_however_it_is_quoted(text: str) -> None:
    assert "planted" not in redaction.redact_log_value(text)


def test_a_lookup_that_django_refuses_is_one_line(written: io.StringIO, admin_client: Client) -> None:
    written.truncate(0)
    written.seek(0)
    answer = admin_client.get("/admin/webhooks/event/?app__client_secret_sealed__startswith=x")
    assert answer.status_code == 400
    [line] = [one for one in written.getvalue().splitlines() if "DisallowedModelAdminLookup" in one]
    assert "warning" in line
    assert "Traceback" not in line


def test_a_wrong_host_is_one_line(written: io.StringIO) -> None:
    answer = Client().get("/install/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    [line] = written.getvalue().splitlines()
    assert "evil.example" in line
    assert "warning" in line
    assert "Traceback" not in line
