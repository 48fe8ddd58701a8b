"""`manage.py exports`: what the page does, from a terminal."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core.models import AuditEntry
from integrations.exports.models import Export, ExportPart
from integrations.sync.models import FeedPosition
from integrations.tenants.models import App
from tests.exports.conftest import Make, content, merge, work
from tests.sync.conftest import LOCATION
from tests.sync.feed.test_feed import settle


def exports(*arguments: str, app: App | None = None) -> Any:
    out = StringIO()
    call_command("exports", *arguments, "--json", *(("--app", app.highlevel_id) if app else ()), stdout=out)
    return json.loads(out.getvalue())


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("exports", *arguments, stdout=out)
    return out.getvalue()


def test_an_export_asked_for_by_command_is_the_page_s(filled: App, tmp_path: Path) -> None:
    asked = exports("start", "contacts", "opportunities", "--format", "jsonl", "--location", LOCATION, app=filled)
    export = Export.objects.get(pk=asked["id"])
    assert (export.resources, export.locations, export.times) == (["contacts", "opportunities"], [LOCATION], "")
    assert AuditEntry.objects.get(action="export.asked").actor == "manage.py exports"
    with pytest.raises(CommandError, match="no complete run yet"):
        exports("save", str(export.pk), "--to", str(tmp_path))
    run = work(export)
    written = [Path(one) for one in exports("save", str(export.pk), "--to", str(tmp_path / "new"))]
    assert {one.name for one in written} == {f"contacts-{run.pk}.jsonl", f"opportunities-{run.pk}.jsonl"}
    assert [one.read_bytes() for one in written] == [content(run, "contacts"), content(run, "opportunities")]
    assert {stat.S_IMODE(one.stat().st_mode) for one in written} == {0o600}
    assert sorted(one.name for one in (tmp_path / "new").iterdir()) == sorted(one.name for one in written)
    assert AuditEntry.objects.filter(action="export.downloaded").count() == 2
    ExportPart.objects.all().delete()
    with pytest.raises(CommandError, match="expired"):
        exports("save", str(export.pk), "--to", str(tmp_path))


@pytest.mark.parametrize(
    ("options", "cron", "words"),
    [
        (("--daily", "06:30"), "30 6 * * *", "daily at 06:30 UTC"),
        (("--weekly", "mon@23:05"), "5 23 * * 1", "Mondays at 23:05 UTC"),
        (("--weekly", "Sunday@07:00"), "0 7 * * 0", "Sundays at 07:00 UTC"),
    ],
)
def test_schedules_have_the_times_of_the_page(filled: App, options: tuple[str, ...], cron: str, words: str) -> None:
    asked = exports("start", "contacts", *options, app=filled)
    assert (Export.objects.get().times, asked["times"]) == (cron, words)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("start", "nothing"), "there is no resource nothing"),
        (("start", "contacts", "--location", "nowhere"), "not installed on nowhere"),
        (("start", "contacts", "--daily", "soon"), "soon"),
        (("start", "contacts", "--weekly", "someday@06:30"), "such as mon@06:30"),
        (("start", "contacts", "--weekly", "mon"), "such as mon@06:30"),
        (("pause", "7"), "there is no export 7"),
    ],
)
def test_what_cannot_be_says_why_and_makes_nothing(filled: App, arguments: tuple[str, ...], complaint: str) -> None:
    app = ("--app", filled.highlevel_id) if arguments[0] == "start" else ()
    with pytest.raises(CommandError, match=complaint):
        call_command("exports", *arguments, *app)
    assert not Export.objects.exists()


def test_a_schedule_is_paused_resumed_run_restarted_and_removed(make: Make, filled: App) -> None:
    settle(1)
    export = make(repeat="daily", at="06:30")
    number = str(export.pk)
    work(export)
    exports("pause", number)
    with pytest.raises(CommandError, match="paused already"):
        exports("pause", number)
    with pytest.raises(CommandError, match="it is paused"):
        exports("run", number)
    assert exports("list")[0]["paused"] is True
    assert "daily at 06:30 UTC, paused: complete, 3 rows" in printed("list")
    exports("resume", number)
    exports("run", number)
    merge(filled, "contacts", "new")
    settle(2)
    assert work(export).rows == 1
    exports("restart", number)
    assert work(export).rows == 4, "all records again"
    exports("remove", number)
    assert not Export.objects.exists()
    assert not FeedPosition.objects.exists()
    said = list(AuditEntry.objects.filter(actor="manage.py exports").order_by("pk").values_list("action", flat=True))
    assert said == [f"export.{what}" for what in ("paused", "continued", "run", "restarted", "removed")]


def test_only_a_schedule_has_a_position_to_give_up(make: Make) -> None:
    number = str(make().pk)
    for verb in ("restart", "pause"):
        with pytest.raises(CommandError, match="it is no schedule"):
            exports(verb, number)
    with pytest.raises(CommandError, match="no run is under way"):
        exports("cancel", number)
    assert "contacts of all locations as jsonl, once: not run yet" in printed("list")
