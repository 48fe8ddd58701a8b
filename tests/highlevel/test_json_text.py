"""What an answer may hold that UTF-8 or PostgreSQL cannot, and that nothing else of it changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.highlevel.http.json_text import parsed

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(ANYTHING, st.booleans())
def test_good_json_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    assert parsed(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"\uDE00 cut"', "\ufffd cut"),
        (b'"raw \xed\xa0\xbd"', "raw \ufffd"),
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"\ud83d\ude00 whole"', "\U0001f600 whole"),
        ('"\ud55c\uae00"'.encode(), "\ud55c\uae00"),
        (rb'"\\u0000"', r"\u0000"),
    ],
)
def test_a_text_that_cannot_be_kept_is_mended(body: bytes, text: str) -> None:
    assert parsed(body) == text
    assert parsed(b'{"rows": [{' + body + b": " + body + b"}]}") == {"rows": [{text: text}]}


@pytest.mark.parametrize("body", [b"NaN", b"-Infinity", b"1e400", b"-1e400"])
def test_a_number_that_is_none(body: bytes) -> None:
    assert parsed(b'{"total": ' + body + b', "value": 2.5}') == {"total": None, "value": 2.5}


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b'"\xff"', b"[" * 100_000, rb'["\ud83d"' + b"[" * 900])
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert parsed(body) is None


def test_a_deep_answer_that_has_to_be_mended_ends_the_same_way() -> None:
    deep = b"[" * 900 + rb'"\ud83d"' + b"]" * 900
    assert parsed(deep) is None
