"""What each strictness of redaction takes, and what it leaves readable."""

from __future__ import annotations

import ast
import re

import pytest

from integrations.core import redaction
from tests.support import row_errors
from tests.test_structure import modules

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


@pytest.mark.parametrize(
    "text",
    [
        "DUPLICATE_CONTACT_NOT_ALLOWED_IN_LOCATION",
        "invoiceItems.0.price.additionalDiscounts.12.description must be a string",
        "Cannot POST /conversations/messages/inbound/attachments",
    ],
)
def test_codes_and_the_paths_of_fields_stay_readable(text: str) -> None:
    assert redaction.redact_text(text) == text


@pytest.mark.parametrize(
    "secret",
    [
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "a" * 40,
        "Zm9vYmFyYmF6cXV4.cXV1eGNvcmdlZ3JhdWx0",
        "abcdefgh-" * 4 + "x1y2",
    ],
)
def test_what_is_as_long_as_a_token_does_not(secret: str) -> None:
    assert secret not in redaction.redact_text(f"given {secret} here")


@pytest.mark.slow
def test_every_pattern_for_a_secret_is_in_this_module() -> None:
    named = re.compile(r"secret|passw|authorization|credential|bearer|api_?key", re.IGNORECASE)
    found = {
        str(path)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")
        for text in ast.walk(node)
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and named.search(text.value)
    }
    assert found == {"integrations/core/redaction.py"}


@pytest.mark.parametrize("name", ["password", "client_secret_sealed", "session_hash", "mac", "mark", "seal"])
def test_a_column_that_proves_a_row_is_secret(name: str) -> None:
    assert redaction.is_secret_column(name)
    assert not redaction.is_secret_column("remark")


@pytest.mark.django_db
def test_a_database_error_says_what_failed_and_not_with_which_values() -> None:
    """Also inside another text, as its cause, and where only `repr` was logged."""
    errors = list(row_errors.raised())
    assert len(errors) == 4
    assert all(any(word in str(error) for word in row_errors.WORDS) for error in errors), "PostgreSQL does quote them"
    for error in errors:
        above = RuntimeError("the row was not stored")
        above.__cause__ = error
        told = redaction.without_row_values(f"before {error} after", above)
        assert not any(word in told for word in row_errors.WORDS), told
        assert (told[:7], told[-6:]) == ("before ", " after")
        assert not any(word in redaction.without_row_values(repr(error), error) for word in row_errors.WORDS)
    assert 'violates check constraint "person_name_check"' in redaction.without_row_values(str(errors[0]), errors[0])
    assert redaction.without_row_values("as it was", ValueError("as it was")) == "as it was"
    for text in (str(errors[0]), repr(errors[0]), repr(errors[1])):
        assert "Zebedee" not in redaction.redact_log_value(text)
