"""Cells of the operators' lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.core import cells

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("done", "total", "complete", "percent", "figures"),
    [
        (30, 120, False, 25, "30 of 120"),
        (7, 5, False, 100, "7 of 5"),
        (20, 2_020, True, 100, "20"),
        (0, 2_020, True, 100, "0"),
    ],
)
def test_a_bar_never_contradicts_its_figures(
    done: int, total: int, *, complete: bool, percent: int, figures: str
) -> None:
    bar = cells.progress(done, total, complete=complete)
    assert f'value="{percent}"' in bar
    assert f"<span>{figures}</span>" in bar


def test_without_a_total_there_is_no_bar() -> None:
    assert cells.progress(1_234, None, complete=False) == "1,234 so far"
    assert cells.progress(0, None, complete=False) == ""


def test_words_from_outside_stay_words() -> None:
    assert "&lt;b&gt;" in cells.long_text("<b>", trouble=True)
    assert "result-trouble" not in cells.long_text("well")


def test_when_shows_the_moment_and_the_length() -> None:
    cell = cells.run_times(NOW - timedelta(minutes=9), NOW - timedelta(minutes=5), NOW)
    assert "9 min ago <br>took 4 min" in cell
    assert "2026-11-20 12:21:00 UTC" in cell
    assert "for 9 min" in cells.run_times(NOW - timedelta(minutes=9), None, NOW)
