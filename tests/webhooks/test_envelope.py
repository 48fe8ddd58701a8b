from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.core.errors import PayloadAnomalous
from integrations.webhooks import envelope

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


def read(payload: Any) -> envelope.Envelope:
    return envelope.read(json.dumps(payload).encode(), NOW)


@pytest.mark.parametrize(
    ("payload", "tenant"),
    [
        ({"locationId": "L", "companyId": "C"}, "location:L"),
        ({"companyId": "C"}, "company:C"),
        ({"altId": "L", "altType": "location"}, "location:L"),
        ({"altId": "X", "altType": "company", "companyId": "C"}, "company:C"),
        ({"locationId": "", "companyId": "C"}, "company:C"),
        ({"locationId": None}, "app"),
        ({}, "app"),
    ],
)
def test_the_tenant_is_the_narrowest_that_is_named(payload: dict[str, Any], tenant: str) -> None:
    assert read(payload).tenant == tenant


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2026-03-30T05:57:15.123Z", datetime(2026, 3, 30, 5, 57, 15, 123000, UTC)),
        ("2026-03-30T05:57:15+02:00", datetime(2026, 3, 30, 3, 57, 15, 0, UTC)),
        ("2026-03-30T05:57:15", datetime(2026, 3, 30, 5, 57, 15, 0, UTC)),
        (1774850235, datetime(2026, 3, 30, 5, 57, 15, 0, UTC)),
        (1774850235000, datetime(2026, 3, 30, 5, 57, 15, 0, UTC)),
        ("2026-04-01T12:59:00Z", NOW + timedelta(minutes=59)),
        ("2026-04-01T13:01:00Z", NOW),
        ("9999-12-31T23:59:59-14:00", NOW),
        ("0001-01-01T00:00:00+14:00", NOW),
        ("1970-01-01T00:00:00Z", NOW),
        ("yesterday", NOW),
        ("", NOW),
        (None, NOW),
        (True, NOW),
        (10**300, NOW),
        (-(10**300), NOW),
        ({"at": 1}, NOW),
    ],
)
def test_a_timestamp_that_is_missing_or_absurd_becomes_the_moment_of_receipt(timestamp: Any, moment: datetime) -> None:
    assert read({"timestamp": timestamp}).occurred_at == moment


def test_without_a_webhook_id_the_bytes_and_the_day_are_the_id() -> None:
    raw = b'{"type": "UNINSTALL", "companyId": "C"}'
    first = envelope.read(raw, NOW).webhook_id
    assert first == f"sha256:{hashlib.sha256(raw).hexdigest()}:{NOW:%Y%m%d}"
    assert len(first) <= 100, "what the column takes"
    assert envelope.read(raw, NOW + timedelta(minutes=1)).webhook_id == first, "a retry"
    assert envelope.read(raw, NOW + timedelta(days=30)).webhook_id != first, "another uninstall, after a new install"


def test_a_sample_without_type_is_kept() -> None:
    assert read({"locationId": "L"}).type == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"{'type': 'INSTALL'}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\x00"}',
        b'{"a":' * 100_000,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    ],
)
def test_what_is_not_one_flat_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(PayloadAnomalous):
        envelope.read(raw, NOW)


@pytest.mark.parametrize("key", ["type", "webhookId", "appId", "locationId", "companyId"])
@pytest.mark.parametrize("value", [1, True, ["x"], {"x": 1}, "x" * 101, "a\x00b", "zwei\nZeilen", "\ud800", "größe"])
def test_what_we_route_by_is_short_plain_text_or_refused(key: str, value: Any) -> None:
    payload = {key: value}
    with pytest.raises(PayloadAnomalous) as caught:
        read(payload)
    assert caught.value.context == {"field": key}


def test_text_that_the_database_cannot_hold_is_replaced_and_the_event_kept() -> None:
    payload = {"firstName": "a\x00b", "tags": ["\ud800", {"\x00": "fine"}], "emoji": "\U0001f600"}
    assert json.loads(read(payload).text) == {
        "firstName": "a\ufffdb",
        "tags": ["\ufffd", {"\ufffd": "fine"}],
        "emoji": "\U0001f600",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, categories=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(["type", "webhookId", "appId", "locationId", "companyId", "altId", "altType", "timestamp"])


@given(st.binary(max_size=300))
@example(b"{}")
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        letter = envelope.read(raw, NOW)
    except PayloadAnomalous:
        return
    assert letter.webhook_id


@pytest.mark.slow
@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_any_object_is_refused_or_fits_the_table(payload: dict[str, Any]) -> None:
    try:
        letter = read(payload)
    except PayloadAnomalous:
        return
    assert 1 <= len(letter.webhook_id) <= 100
    assert len(letter.type) <= 80
    assert len(letter.tenant) <= 80
    assert letter.occurred_at <= NOW + envelope.FUTURE
    text = letter.text
    assert "\x00" not in text
    text.encode()
