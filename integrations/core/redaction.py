"""Redaction of secrets in logs, error texts and JSON. Every pattern for a secret is here.

There are three degrees. Logs are read by many and written by every library: `redact_log_value` blanks by
name and by shape. A vendor's error text has to stay readable ("bearer token is invalid"): `redact_text` takes only what
could be a token, a password or a code. An operator who calls the API by hand sees the answer as it came but for tokens,
keys and passwords: `without_secrets`. And a database error quotes the row that it refused, which `without_row_values`
takes out. Secrets of ours travel as `core.secret.Secret`; this is the second guard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import django.db
import psycopg

BLANK = "[redacted]"
ELLIPSIS = "…"

# Names. Settings and headers are ours, so a broad pattern costs nothing there; fields of the vendor's answers are not.
SETTING_NAMES = re.compile(
    r"api|auth|token|key|secret|pass|signature|cookie|credential|dsn|^code$|^state$|^sso|^audit_head_url$",
    re.IGNORECASE,
)
_LOG_NAMES = re.compile(
    r"token|secret|password|authorization|cookie|api_?key|credential|^code$|^state$|signature", re.IGNORECASE
)
_FIELD_NAMES = re.compile(
    r"(?:access|refresh|bearer|id)_?token|secret|passw(?:or)?d|api_?key|authorization", re.IGNORECASE
)
_COLUMN_NAMES = re.compile(r"password|secret|sealed|token|session_|^mac$|^mark$|^seal$")
_HARMLESS_LOG_NAMES = frozenset({"status_code", "error_code", "grant_type", "code"})

# Shapes.
_JWT = r"eyJ[\w-]{6,}[\w.-]*"  # a JSON web token, or the beginning of one
_PRIVATE_TOKEN = r"pit-[\w-]{6,}"  # noqa: S105 - a private integration token of HighLevel
_TOKENS = re.compile(f"{_JWT}|{_PRIVATE_TOKEN}")
_IN_LOGS = re.compile(
    rf"{_JWT}|{_PRIVATE_TOKEN}"
    r"|(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|(?i:access_token|refresh_token|client_secret|accessToken|refreshToken|clientSecret|code|state)"
    r"(?:(?:=|%3D)[\"']?|[\"']?\s*:\s*[\"'])[^\s&\"',}]+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    # What PostgreSQL adds to an error: the row, and the statement with its values. Also as `repr` writes it.
    r"|(?:\n|\\n)(?:DETAIL|CONTEXT|LINE \d+): [^\n]*"
)
_IN_TEXT = re.compile(
    rf"{_JWT}|{_PRIVATE_TOKEN}"
    # Prose has `bearer token` and `token: invalid`: a secret has a digit, or comes after `=`.
    # The search for the digit is bounded: else `token:token:…` would cost its length squared and stop every thread.
    r"|(?i:bearer|basic)\s+(?=\S*\d)[\w.~+/=-]{6,}"
    r"|(?i:secret|token|passw(?:or)?d|pwd|api_?-?key|authorization|signature|(?<![a-z])(?:code|state|otp|pin))"
    r"[\"']?\s*(?:(?:=|%3D)\s*[\"']?[^\s&\"',;]+|:\s*[\"']?(?=\S{0,64}\d)[^\s&\"',;]{4,})"
    r"|[A-Za-z0-9_\-.+/=]{32,}"  # any word as long as a token
)
_DATA_EXCEPTIONS = "22"  # class of SQLSTATEs whose message has the value: `invalid input syntax for type date: "…"`
_QUOTED = re.compile(r'".*"', re.DOTALL)
_WORDS = re.compile(r"(?=.{32,})[._/-]?[A-Za-z]{1,24}(?:[._/-](?:[A-Za-z]{1,24}|\d{1,3}))+")
_LOGIN = re.compile(r"://\S*@|passw(or)?d\s*=", re.IGNORECASE)  # a URL with a login, or a libpq connection string


def redact_log_value(value: Any, name: str = "") -> Any:
    """`value`, logged under `name`, with everything blanked that looks like a token, inside lists and objects too."""
    if isinstance(value, str):
        return BLANK if _is_secret_in_logs(name) else _IN_LOGS.sub(BLANK, value)
    if isinstance(value, dict):
        return {key: redact_log_value(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_log_value(item) for item in value]
    return value


def without_row_values(text: str, error: BaseException | None) -> str:
    """`text`, which tells of `error` and its causes, without the values of rows that database errors have in them.

    PostgreSQL says which row failed (`DETAIL: Failing row contains …`) and shows the statement with its values. These
    are personal data. The first line, with the names of table, column and constraint, stays.
    """
    for one in _chain(error):
        if isinstance(one, django.db.Error | psycopg.Error):
            said, kept = str(one), _first_line(one)
            text = text.replace(said, kept).replace(repr(said)[1:-1], kept)
    return text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


def _first_line(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or ""
    said = _QUOTED.sub(f'"{ELLIPSIS}"', str(error)) if state.startswith(_DATA_EXCEPTIONS) else str(error)
    return said.partition("\n")[0]


def redact_text(text: str) -> str:
    """The vendor's prose without anything that looks like a token, a password or a code.

    Error codes and the paths of fields stay, however long: `DUPLICATE_CONTACT_IN_LOCATION`, `items.0.price.name`.
    """
    return _IN_TEXT.sub(lambda found: found[0] if _WORDS.fullmatch(found[0]) else ELLIPSIS, text)


def without_secrets(value: Any, name: str = "") -> Any:
    """JSON without tokens, keys and passwords, otherwise unchanged: for an operator who calls the API by hand, not for
    storing.
    """
    if isinstance(value, Mapping):
        return {key: without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, name) for item in value]
    if not isinstance(value, str):
        return value
    return f"‹{len(value)} characters›" if value and is_secret_field(name) else _TOKENS.sub(ELLIPSIS, value)


def is_secret_field(name: str) -> bool:
    """Whether a field of this name in the vendor's JSON holds a secret."""
    return _FIELD_NAMES.search(name) is not None


def is_secret_column(name: str) -> bool:
    """Whether a column of this name in our own tables holds a secret, or what proves a row: a seal, a MAC."""
    return _COLUMN_NAMES.search(name) is not None


def has_login(text: str) -> bool:
    """Whether the text has a URL with a login or a connection string with a password."""
    return _LOGIN.search(text) is not None


def _is_secret_in_logs(name: str) -> bool:
    """Whether to blank a value by its name. Our error codes stay; an OAuth `code` is never logged by that name."""
    return name not in _HARMLESS_LOG_NAMES and _LOG_NAMES.search(name) is not None
