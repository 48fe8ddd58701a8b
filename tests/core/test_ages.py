"""Moments in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.core.ages import relative

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (-1, "1 s ago"),
        (-119, "119 s ago"),
        (-120, "2 min ago"),
        (7199, "in 119 min"),
        (7200, "in 2 h"),
        (20 * 3600, "in 20 h"),
        (-3 * 86_400, "3 d ago"),
    ],
)
def test_in_the_largest_telling_unit(seconds: int, words: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == words


def test_never_is_a_dash() -> None:
    assert relative(None, NOW) == "–"
