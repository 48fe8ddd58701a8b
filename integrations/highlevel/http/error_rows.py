"""Rows of the error tables for API and OAuth refusals: tried in order, each citing where its body was seen.

A refusal that no row matches is unknown. The vendor answers in three shapes (`error`/`error_description`,
`statusCode`/`message`, nested `error{}`) and sometimes in plain text, so rows match words of the flattened text, never
a shape. Operators see the vendor's words (its support asks for them) only after `redact_text`, because a response may
echo the request.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from integrations.core.errors import IntegrationError, VendorAnswer
from integrations.core.redaction import ELLIPSIS, is_secret_field, redact_text

SHOWN_CHARACTERS = 200
_TEXT_KEYS = ("error", "error_description", "message", "msg", "code", "details")
_WIDEST = 50  # limit of members kept of an object or list
_HEADERS = frozenset({"retry-after", "x-trace-id", "x-request-id", "cf-ray"})
_LONGEST_HEADER = 100
_TRACE_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DEEPEST = 8  # deeper nesting is no error body and could exhaust the stack


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One known refusal. `words` is a pattern for the lower-cased text; `source` cites the evidence for the row."""

    statuses: Container[int]
    words: str
    kind: type[IntegrationError]
    reason: str
    advice: str
    source: str

    def matches(self, status: int, text: str) -> bool:
        """Whether the status and the lower-cased text are this refusal's."""
        return status in self.statuses and re.search(self.words, text) is not None


def first_match(rows: Iterable[ErrorRow], status: int, body: Any) -> ErrorRow | None:
    """The first row that matches the response, or None."""
    text = " ".join(prose(body)).lower()
    return next((row for row in rows if row.matches(status, text)), None)


def prose(body: Any, depth: int = 0) -> Iterator[str]:
    """Every piece of prose in an error body of any shape."""
    if isinstance(body, str):
        yield body
    elif isinstance(body, dict | list) and depth < _DEEPEST:
        for part in map(body.get, _TEXT_KEYS) if isinstance(body, dict) else body:
            yield from prose(part, depth + 1)


def shown(body: Any) -> str | None:
    """The vendor's words, shortened and without possible tokens; None when the response has none."""
    text = redact_text("; ".join(prose(body)).strip())
    return text[:SHOWN_CHARACTERS] or None


def vendor_answer(
    status: int, body: Any, *, trace_id: str | None, sentences: int = 0, headers: Mapping[str, str] | None = None
) -> VendorAnswer:
    """The vendor's refusal as errors carry it. `body` is its JSON, or its text. `sentences` limits how many of its
    sentences are stored separately. Of `headers`, by lower-case name, those that matter are kept.
    """
    return VendorAnswer(
        status=status,
        message=shown(body),
        trace_id=trace_id or trace_id_of(body),
        details=tuple(redact_text(text)[:SHOWN_CHARACTERS] for text in islice(prose(body), sentences)),
        body=redacted(body),
        headers={
            name: redact_text(value)[:_LONGEST_HEADER] for name, value in (headers or {}).items() if _matters(name)
        },
    )


def _matters(header: str) -> bool:
    return header.startswith("x-ratelimit-") or header in _HEADERS


def redacted(body: Any, depth: int = 0) -> Any:
    """An error body without possible tokens: codes and `meta` stay, long texts and lists are cut."""
    if isinstance(body, str):
        return redact_text(body)[:SHOWN_CHARACTERS]
    if depth >= _DEEPEST:
        return None
    if isinstance(body, dict):
        return {redact_text(key)[:100]: _member(key, part, depth + 1) for key, part in islice(body.items(), _WIDEST)}
    if isinstance(body, list):
        return [redacted(part, depth + 1) for part in body[:_WIDEST]]
    return body


def _member(name: str, value: Any, depth: int) -> Any:
    if name == "traceId" and isinstance(value, str) and _TRACE_ID.fullmatch(value):
        return value  # as long as a token, and what support asks for
    return ELLIPSIS if is_secret_field(name) else redacted(value, depth)


def trace_id_of(body: Any) -> str | None:
    """HighLevel's `traceId`, which its support asks for (FACTS section 7)."""
    found = body.get("traceId") if isinstance(body, dict) else None
    return found if isinstance(found, str) and found else None
