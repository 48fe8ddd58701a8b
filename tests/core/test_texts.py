"""Whole numbers in texts that somebody else wrote."""

from __future__ import annotations

import pytest

from integrations.core import texts


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 5_000, None),
        ("0" * 5_000 + "1", 1),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        (" 1", None),
        ("²", None),
        ("١", None),
        ("1_0", None),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_whole_number_is_written_in_ascii_digits_and_no_larger_than_asked(text: str, number: int | None) -> None:
    assert texts.whole(text) == number


def test_the_largest_is_chosen_by_the_caller() -> None:
    assert [texts.whole(text, 59) for text in ("59", "60", "0059", "060")] == [59, None, 59, None]
