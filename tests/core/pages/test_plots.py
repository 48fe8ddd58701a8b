"""Plots: the geometry of columns and curves, the marks of both axes, and the legend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import RequestFactory

from integrations.core.pages import operator_zone, plots
from integrations.core.pages.operator_zone import OperatorZone
from integrations.core.pages.plots import OTHER, PANEL, SMALL, WIDE, Series

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def starts(count: int, bin_: timedelta, end: datetime = NOON) -> list[datetime]:
    return [end - bin_ * back for back in reversed(range(count))]


def test_columns_stack_from_the_axis_up_and_stay_inside() -> None:
    series = [Series("bulk", [5, 10, 0], "bulk"), Series("events", [2, 0, 0], "events")]
    plot = plots.columns("Calls", starts(3, timedelta(minutes=5)), series)
    low, high, whole = plot.columns
    axis, half, top = (mark.at for mark in plot.levels)
    assert [mark.text for mark in plot.levels] == ["0", "5", "10"]
    assert low.y + low.height == pytest.approx(axis)
    assert low.height == pytest.approx(axis - half, abs=0.02)
    assert high.y + high.height == pytest.approx(low.y, abs=0.02)
    assert whole.y == pytest.approx(top)
    assert high.tooltip == "01 May 11:50: 2 events"
    assert plot.legend == [("bulk", "bulk", "15"), ("events", "events", "2")]
    assert max(one.x + one.width for one in plot.columns) <= PANEL.width
    assert min(one.x for one in plot.columns) >= PANEL.left


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (10, 10), (11, 20), (45, 60), (61, 100), (999, 1_000), (1_001, 2_000)]
)
def test_the_value_axis_ends_at_a_round_number_with_a_round_half(most: int, top: int) -> None:
    plot = plots.columns("Calls", starts(1, timedelta(hours=1)), [Series("a", [most], "c0")])
    assert plot.top == top
    assert [mark.text for mark in plot.levels] == ["0", f"{top // 2}", f"{top}"]


@pytest.mark.parametrize(
    ("count", "bin_", "size", "texts"),
    [
        (60, timedelta(minutes=1), PANEL, ["11:10", "11:20", "11:30", "11:40", "11:50", "12:00"]),
        (48, timedelta(minutes=30), PANEL, ["16:00", "20:00", "00:00", "04:00", "08:00", "12:00"]),
        (288, timedelta(minutes=5), WIDE, [f"{hour % 24:02}:00" for hour in range(14, 38, 2)]),
        (60, timedelta(hours=12), PANEL, ["02 Apr", "07 Apr", "12 Apr", "17 Apr", "22 Apr", "27 Apr"]),
        (288, timedelta(minutes=5), SMALL, []),
        (1, timedelta(minutes=5), PANEL, []),
    ],
)
def test_the_time_axis_names_round_times_only(count: int, bin_: timedelta, size: plots.Size, texts: list[str]) -> None:
    plot = plots.columns("Calls", starts(count, bin_), [Series("a", [1] * count, "c0")], size=size)
    assert [mark.text for mark in plot.times] == texts
    assert all(size.left <= mark.at < size.width for mark in plot.times)


@pytest.mark.parametrize(
    ("zone", "bin_", "texts", "tooltip", "measures"),
    [
        ("America/New_York", timedelta(hours=1), ["00:00", "02:00", "04:00", "06:00", "08:00"], "01 May 08:00", True),
        ("Asia/Kolkata", timedelta(hours=1), ["10:30", "12:30", "14:30", "16:30"], "01 May 17:30", True),
        ("Asia/Kolkata", timedelta(minutes=30), ["14:00", "15:00", "16:00", "17:00"], "01 May 17:30", True),
        (
            "America/New_York",
            timedelta(days=1),
            ["23 Apr", "25 Apr", "27 Apr", "29 Apr", "01 May"],
            "01 May 12:00",
            False,
        ),
    ],
)
def test_axes_and_tooltips_are_in_the_zone_of_the_operator(
    zone: str, bin_: timedelta, texts: list[str], tooltip: str, measures: bool
) -> None:
    def draw(_: HttpRequest) -> HttpResponse:
        series = [Series("a", [1] * 9, "c0")]
        plot = plots.columns("Calls", starts(9, bin_), series, scale=plots.Scale("calls"))
        return HttpResponse(f"{[mark.text for mark in plot.times]}|{plot.columns[-1].tooltip}|{plot.measures}")

    request = RequestFactory().get("/admin/", headers={"cookie": f"{operator_zone.COOKIE}={zone}"})
    times, last, said = OperatorZone(draw)(request).content.decode().split("|")  # type: ignore[attr-defined]
    assert times == str(texts)
    assert last == f"{tooltip}: 1 a"
    assert said.endswith(f"times are {zone}" if measures else "days are those of UTC")
    request = RequestFactory().get("/embed/", headers={"cookie": f"{operator_zone.COOKIE}={zone}"})
    assert "|01 May 12:00: 1 a|" in OperatorZone(draw)(request).content.decode(), "the operators' pages only"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "Europe", "x" * 65, "Europe/Berlin\0", "a b"])
def test_a_cookie_that_names_no_zone_counts_as_utc(name: str) -> None:
    assert operator_zone.named(name) is UTC


@pytest.mark.parametrize(("most", "is_drawn", "top"), [(300, True, 1_000), (200, False, 200), (1_500, True, 2_000)])
def test_a_limit_is_drawn_where_the_columns_stay_readable_beside_it(most: int, is_drawn: bool, top: int) -> None:
    scale = plots.Scale("calls", ceiling=1_000)
    plot = plots.columns("Calls", starts(2, timedelta(minutes=5)), [Series("a", [most, 0], "c0")], scale=scale)
    assert plot.measures == "calls in 5 minutes each, at most 1,000; times are UTC"
    assert plot.top == top
    assert (plot.ceiling is not None) == is_drawn
    html = render_to_string("admin/plot.html", {"plot": plot})
    assert ('class="ceiling"' in html) == is_drawn


def test_columns_lead_to_what_they_count() -> None:
    scale = plots.Scale("calls", link=lambda start, end, name: f"/calls/?a={start:%H:%M}&b={end:%H:%M}&c={name}")
    plot = plots.columns("Calls", starts(2, timedelta(minutes=5)), [Series("a<b", [0, 3], "c0")], scale=scale)
    html = render_to_string("admin/plot.html", {"plot": plot})
    assert '<a href="/calls/?a=12:00&amp;b=12:05&amp;c=a&lt;b" tabindex="-1" aria-hidden="true"><rect' in html
    assert 'role="group"' in html


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=30), "30 minutes"),
        (timedelta(hours=3), "3 hours"),
        (timedelta(days=1), "1 day"),
    ],
)
def test_the_length_of_a_bin_is_said_in_its_largest_unit(step: timedelta, words: str) -> None:
    assert plots.length(step) == words


def test_the_largest_series_have_colours_of_their_own() -> None:
    colours = plots.ranked({f"op{number}": number for number in range(9)})
    assert list(colours)[:2] == ["op8", "op7"]
    assert [name for name, colour in colours.items() if colour == OTHER] == ["op2", "op1", "op0"]
    series = [Series(name, [int(name[2:])], colour) for name, colour in colours.items()]
    plot = plots.columns("Calls", starts(1, timedelta(hours=1)), series)
    assert len(plot.columns) == 8, "a count of zero draws nothing"
    assert plot.legend[-1] == (OTHER, "3 others", "3")


def test_curves_break_at_gaps_and_a_lone_value_is_a_dot() -> None:
    series = [Series("p50", [100, 120, None, 90], "c0", "110 ms")]
    plot = plots.curves("Latency", starts(4, timedelta(minutes=1)), series, text=lambda value: f"{value:.0f} ms")
    (curve,) = plot.curves
    assert (len(curve.lines), len(curve.dots)) == (1, 3)
    assert curve.dots[0].tooltip == "01 May 11:57: p50 100 ms"
    assert plot.summary == "Latency: p50 110 ms. The axis ends at 200 ms."


def test_the_template_escapes_names_and_says_when_there_is_nothing() -> None:
    plot = plots.columns("Calls", starts(1, timedelta(hours=1)), [Series("<b>", [1_500], "c0")])
    html = render_to_string("admin/plot.html", {"plot": plot})
    assert "&lt;b&gt; <b>1,500</b>" in html
    assert "<title>01 May 12:00: 1,500 &lt;b&gt;</title>" in html
    nothing = plots.columns("Calls", starts(1, timedelta(hours=1)), [Series("a", [0], "c0")])
    assert "None in this time." in render_to_string("admin/plot.html", {"plot": nothing})
