from __future__ import annotations

import pytest

from tests.support.tables import check_every


def is_even(name: str, number: int) -> None:
    assert number % 2 == 0, f"{number} is odd"


def test_all_failures_are_named_and_nothing_else() -> None:
    with pytest.raises(pytest.fail.Exception) as failed:
        check_every([("one", 1), ("two", 2), ("three", 3)], is_even)
    message = str(failed.value)
    assert message.startswith("2 of 3 failed")
    assert "one / 1" in message
    assert "three / 3" in message
    assert "3 is odd" in message
    assert "assert number % 2 == 0" in message
    assert "two" not in message


def test_a_table_without_rows_proves_nothing() -> None:
    with pytest.raises(AssertionError, match="empty"):
        check_every([], is_even)


def test_rows_that_hold_pass() -> None:
    seen: list[str] = []
    check_every(["a", "b"], seen.append)
    assert seen == ["a", "b"]
