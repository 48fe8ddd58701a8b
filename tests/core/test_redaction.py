"""What each strictness of redaction takes, and what it leaves readable."""

from __future__ import annotations

import pytest

from integrations.core import redaction

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJsb2NhdGlvbiI6IngifQ.c2lnbmF0dXJl"
PRIVATE = "pit-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


@pytest.mark.parametrize("secret", [JWT, PRIVATE])
def test_every_strictness_takes_tokens(secret: str) -> None:
    text = f"the token {secret} was sent"
    assert secret not in redaction.redact_log_value(text)
    assert secret not in redaction.redact_text(text)
    assert secret not in redaction.without_secrets({"message": text})["message"]


def test_logs_lose_what_stands_under_a_secrets_name_however_deep() -> None:
    logged = redaction.redact_log_value({"sent": [{"client_secret": "planted"}], "error_code": "grant_revoked"})
    assert logged == {"sent": [{"client_secret": redaction.BLANK}], "error_code": "grant_revoked"}


def test_prose_stays_readable() -> None:
    assert redaction.redact_text("bearer token is invalid") == "bearer token is invalid"
    assert redaction.redact_text("token=abc") == "…"


def test_an_operator_sees_the_answer_but_no_secret_field() -> None:
    seen = redaction.without_secrets({"access_token": "abcdef", "code": "x1", "count": 3})
    assert seen == {"access_token": "‹6 characters›", "code": "x1", "count": 3}


def test_an_address_with_a_login_is_known() -> None:
    assert redaction.has_login("redis://:pw@host:6379/0")
    assert not redaction.has_login("https://example.com/")
