"""`hlapp new` and `manage.py new`: what they refuse, and how code is added to a module."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hlapp.scaffold import additions, insertion, naming, new_project
from integrations.core.errors import BadRequest


def test_code_goes_to_the_end_and_imports_are_merged() -> None:
    existing = '"""Jobs."""\n\nfrom hlapp.api import JobRun\n\nfrom apps.shop.models import One\n\nX = 1\n'
    added = '"""Other."""\n\nfrom datetime import timedelta\n\nfrom hlapp.api import Lane, clock\n\n\ndef f(): ...\n'
    assert insertion.merged(existing, added) == (
        '"""Jobs."""\n\nfrom datetime import timedelta\n\nfrom hlapp.api import JobRun, Lane, clock\n\n'
        "from apps.shop.models import One\n\nX = 1\n\n\ndef f(): ...\n"
    )
    assert insertion.merged("", added) == added
    assert insertion.defined(added) == {"f"}


def test_what_stands_there_is_not_overwritten(tmp_path: Path) -> None:
    names = {"app": "shop", "name": "count_all"}
    first = {path: path.read_text() for path in additions.add("job", tmp_path, names)}
    assert sorted(str(path.relative_to(tmp_path)) for path in first) == ["apps/shop/jobs.py", "tests/test_count_all.py"]
    with pytest.raises(BadRequest, match="defines count_all already"):
        list(additions.add("job", tmp_path, names))
    assert {path: path.read_text() for path in first} == first
    (tmp_path / "apps/shop/jobs.py").write_text("def (")
    with pytest.raises(BadRequest, match="cannot be read"):
        list(additions.add("job", tmp_path, {**names, "name": "other"}))
    assert not (tmp_path / "tests/test_other.py").exists(), "nothing is written when anything is refused"


@pytest.mark.parametrize("name", ["Shop", "my-shop", "class", "größe", "1shop", "hlapp", "sync"])
def test_names_that_become_no_module_are_refused(name: str) -> None:
    assert "choose another" in naming.problem(name) or "lower-case letters" in naming.problem(name)


def test_a_project_needs_a_name_and_an_empty_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in ([], ["--help"], ["one", "two"]):
        assert new_project.main(arguments) == new_project.USAGE
    assert "lower-case" in str(new_project.main(["My-Shop"]))
    assert new_project.main(["shop"]) == 0
    assert capsys.readouterr().out.endswith("cd shop && make test\n")
    assert (tmp_path / "shop/manage.py").stat().st_mode & 0o100
    assert "$(PYTHON) manage.py demo" in (tmp_path / "shop/Makefile").read_text()
    assert "exists: choose another name" in str(new_project.main(["shop"]))


def test_the_wheel_that_no_index_has_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    assert "make wheel" in str(new_project.main(["shop", "--wheels", "dist"]))
    assert not (tmp_path / "shop").exists(), "nothing is made when anything is refused"
    (tmp_path / "dist/hlapp-0.1.0-py3-none-any.whl").write_bytes(b"the wheel")
    monkeypatch.setattr(new_project, "_version", lambda: "0.1.0")
    assert new_project.main(["shop", "--wheels", "dist"]) == 0
    assert (tmp_path / "shop/wheels/hlapp-0.1.0-py3-none-any.whl").read_bytes() == b"the wheel"
    made = subprocess.run(["make", "-n", "test"], cwd=tmp_path / "shop", capture_output=True, text=True, check=True)
    assert "--find-links wheels -r requirements.txt" in made.stdout
    ignored = (tmp_path / "shop/.dockerignore").read_text().split()
    assert {".hlapp/", ".venv/"} <= set(ignored), "development secrets do not get into an image"
    assert "wheels/" in (tmp_path / "shop/Containerfile").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("job", "Not-a-name"), "lower-case letters"),
        (("job", "fine"), "choose the app with --app NAME; there are: none"),
        (("handler", "fine", "--app", "shop"), "there is no app 'shop' in apps/"),
        (("resource", "fine"), "choose the app"),
    ],
)
def test_the_command_says_what_is_missing(arguments: tuple[str, ...], words: str, settings: Any) -> None:
    settings.OWN_APPS = {}
    with pytest.raises(CommandError, match=words):
        call_command("new", *arguments)


def test_events_and_operations_have_to_exist() -> None:
    assert additions.listing("calendars.get-groups", "groups") == {
        "operation": "calendars.get-groups",
        "whole": ' whole="groups",',
        "level": "",
        "user_type": "",
    }
    of_agency = additions.listing("snapshots.get-custom-snapshots", "snapshots")
    assert (of_agency["level"], of_agency["user_type"]) == (" level=UserType.COMPANY,", ", UserType")
    assert additions.listing("users.search-users", "")["level"] == ""
    assert additions.listing("users.search-users", "", "company")["level"] == of_agency["level"]
    with pytest.raises(BadRequest):
        additions.listing("calendars.no-such", "")
    with pytest.raises(BadRequest, match="close to it: InboundMessage"):
        additions.event("InboundMesage")
