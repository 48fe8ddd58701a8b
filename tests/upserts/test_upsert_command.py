"""`manage.py upsert` from the price of a file to its results, and what it says to do about a mistake."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.upserts.models import Upsert
from tests.upserts.conftest import PATH, UPSERT, Loader, later, people, states

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("upsert", *arguments, stdout=out)
    return out.getvalue()


def as_json(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def file_of(folder: Path) -> Path:
    file = folder / "people.csv"
    file.write_text("\ufeffE-mail,Name\na@bulk.example,Ann\n=b@bulk.example,Bob\n,Nobody\n", encoding="utf-8")
    return file


def priced(loader: Loader, file: Path, *more: str) -> list[str]:
    where = ["--operation", UPSERT, "--location", loader.location, "--app", loader.app.highlevel_id]
    return ["price", str(file), *where, "--column", "email=E-mail", "--column", "firstName=Name", *more]


def test_a_file_from_price_to_results(loader: Loader, tmp_path: Path) -> None:
    text = said(*priced(loader, file_of(tmp_path), "--set", "source=import", "--set", 'tags=["x"]'))
    upsert = Upsert.objects.get()
    assert f"upsert {upsert.pk}: 3 rows" in text
    assert "2 calls, 0.00% of a location's day" in text
    assert "compared with the copy of contacts, which is not kept here" in text
    assert "1 from row 3: it has neither an e-mail address nor a telephone number" in text
    assert f"manage.py upsert start {upsert.pk}" in text
    number = str(upsert.pk)
    assert as_json("price", number)["calls"] == 2
    assert as_json("start", number)["status"] == "waiting"
    loader.finish(upsert.pk)
    assert f"upsert {number} of {loader.location}: complete, 100 % of 3: 2 done, 1 invalid" in said("progress")
    made = loader.contact("a@bulk.example")
    assert made is not None
    assert (made["source"], made["tags"]) == ("import", ["x"])
    results = tmp_path / "results.csv"
    assert "written to" in said("results", number, "--to", str(results))
    assert stat.S_IMODE(results.stat().st_mode) == 0o600
    rows = list(csv.DictReader(results.read_text().splitlines()))
    assert [(row["row"], row["outcome"]) for row in rows] == [("1", "created"), ("2", "created"), ("3", "invalid")]
    assert said("results", number).splitlines() == results.read_text().splitlines()
    assert said("remove", number) == "It is removed.\n"
    assert said("progress").startswith("there is no upsert yet")


def test_cancel_resume_and_decide(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = loader.start(people("a"))
    loader.vendor.fault(PATH, "lost", times=1)
    loader.turn(upsert)
    number = str(upsert)
    assert states(upsert) == ["unknown"]
    assert as_json("cancel", number)["status"] == "stopped"
    with pytest.raises(CommandError, match="decide in"):
        said("decide", number, "--row", "1", "--happened")
    later(monkeypatch)
    assert as_json("decide", number, "--row", "1", "--happened")["done"] == 1
    assert as_json("resume", number)["status"] == "waiting"
    with pytest.raises(CommandError, match="cancel it first"):
        said("remove", number)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["price", "people.csv"], "--operation contacts.upsert-contact"),
        (["price", "people.csv", "--operation", UPSERT, "--location", "x", "--column", "email"], "FIELD=COLUMN"),
        (["start", "9"], "upsert 9 is not there"),
        (["results", "9"], "there is no upsert 9"),
        (["price", "9"], "there is no upsert 9"),
    ],
)
def test_a_mistake_says_what_to_do(loader: Loader, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        said(*arguments)


def test_a_result_file_that_cannot_be_written_is_said(loader: Loader, tmp_path: Path) -> None:
    upsert = loader.prepare(people("a"))
    with pytest.raises(CommandError, match="cannot be written"):
        said("results", str(upsert), "--to", str(tmp_path / "nowhere" / "results.csv"))
