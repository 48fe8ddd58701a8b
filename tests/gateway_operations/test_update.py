"""`manage.py catalogue update`: a newer publication from a folder or an archive, all of it or nothing."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from integrations.core.errors import BadRequest
from integrations.gateway.codegen import impact, publication, replace_files, update
from integrations.gateway.codegen.replace_files import replace_all
from integrations.highlevel.catalogue import event_types
from integrations.highlevel.catalogue.operation_lookup import catalogue
from integrations.sync import resources
from tests.gateway_operations.test_catalogue_command import run
from tests.sandbox import reference

THING = {"type": "object", "properties": {"id": {"type": "string"}, "state": {"type": "string", "enum": ["on", "off"]}}}
PAGED = [{"name": name, "in": "query", "schema": {"type": "number"}} for name in ("limit", "skip")]
LISTED = {"properties": {"things": {"type": "array", "items": THING}, "tags": {"type": "array", "items": {}}}}
ANSWER = {"200": {"content": {"application/json": {"schema": LISTED}}}}
THINGS = {
    "paths": {
        "/things": {"get": {"operationId": "list", "parameters": PAGED, "responses": ANSWER, "security": []}},
        "/things/next": {
            "get": {"operationId": "next", "parameters": [{"name": "cursor", "in": "query", "schema": {}}]},
        },
    }
}
EVENTS = {
    "ContactCreate": {"schema": {"properties": {"id": {"type": "string"}, "nickname": {"type": "string"}}}},
    "ThingCreate": {
        "schema": {},
        "examples": [{"type": "ThingCreate", "thing": {"id": "t1", "size": 3}, "tags": ["a"]}],
    },
    "AppInstall": {"schema": {"properties": {"appId": {"type": "string"}}}, "examples": []},
    "ProviderOutboundMessage": {"schema": {}, "examples": []},
}


@pytest.fixture(autouse=True)
def _little_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The uses are looked up in one folder; `test_uses` looks in all."""
    monkeypatch.setattr(impact, "_our_folders", lambda: [Path(resources.__file__).parent])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Both dialects and the events, in folders as the vendor's repository has them."""
    root = tmp_path / "docs-main"
    for folder, name in ((root / "apps", "things.json"), (root / "apps" / "v3", "things-v3.json")):
        folder.mkdir(parents=True)
        (folder / name).write_text(json.dumps(THINGS))
    (root / "package.json").write_text("{}")
    (root / "webhook-events.json").write_text(json.dumps(EVENTS))
    return root


def committed(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("*.*")) if path.is_file()}


@pytest.mark.slow
def test_everything_is_written_and_said(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lines = run("update", str(source), "--out", str(out), "--force").splitlines()
    assert f"v2: 2 added, {len(catalogue('v2'))} removed, 0 changed" in lines
    assert "    pages of things.list (v3): guessed: skips (items things)" in lines
    assert "    pages of things.next (v2): unknown: it could not be derived" in lines
    assert "    row without operation in pagination.styles: contacts.search-contacts-advanced" in lines
    events = lines[lines.index("events:") :]
    assert "+ ThingCreate" in events
    assert "- ContactDelete" in events
    assert any("integrations/sync/resources/contacts.py:" in line for line in events), "who handles what goes"
    (changed,) = (line for line in events[events.index("~ ContactCreate") :][1:2])
    assert changed.startswith("    response fields: ")
    assert {"-email", "+nickname"} <= set(changed.split())
    assert list(json.loads((out / "v2.json").read_text())["operations"]) == ["things.list", "things.next"]
    assert set(json.loads((out / "guesses.json").read_text())["v2"]) == {"things.list", "things.next"}
    facade = (out / "facade" / "v3" / "things.py").read_text()
    assert "def list_pages(self" in facade
    assert "How it pages is guessed." in facade
    assert "def next_pages" not in facade
    types = event_types.read((out / "events.json").read_text())
    assert types["ThingCreate"].fields == {
        "tags": "string[]",
        "thing": "object",
        "thing.id": "string",
        "thing.size": "number",
        "type": "string",
    }
    assert "INSTALL" in types
    assert "AppInstall" not in types
    assert "ProviderOutboundMessage" not in types
    assert not types["VoiceAiCallEnd"].published
    before = committed(out)
    assert run("update", str(source), "--out", str(out), "--force").splitlines()[-1] == "nothing to change"
    assert committed(out) == before


def test_an_incomplete_publication_is_not_taken_for_the_whole(source: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"operations of v2 would go: nothing was changed.* --force"):
        run("update", str(source), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("broken", ["apps/v3/things-v3.json", "webhook-events.json"])
def test_one_broken_file_leaves_everything(source: Path, tmp_path: Path, broken: str) -> None:
    out = tmp_path / "out"
    run("update", str(source), "--out", str(out), "--force")
    before = committed(out)
    (source / "apps" / "things.json").write_text(json.dumps({"paths": {}}))
    (source / broken).write_text('{"paths": {"/x": null}}' if "v3" in broken else "[1]")
    with pytest.raises(CommandError, match=r"x is not understood|is no list of events"):
        run("update", str(source), "--out", str(out), "--force")
    assert committed(out) == before


def test_a_dialect_that_is_missing_stays(source: Path, tmp_path: Path) -> None:
    (source / "apps" / "things.json").unlink()
    out = tmp_path / "out"
    said = json.loads(run("update", str(source), "--out", str(out), "--force", "--json"))
    assert list(said["operations"]) == ["v3"]
    assert not (out / "v2.json").exists()
    assert str(out / "v3.json") in said["files"]


@pytest.mark.parametrize("at", range(6))
def test_a_failure_while_files_are_replaced_puts_all_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    for name in "abc":
        (tmp_path / name).write_text(f"old {name}")
    real, left = replace_files.os.replace, [None] * at

    def replace(*paths: Path) -> None:
        if not left:
            left.append(None)
            left.extend([None] * 99)
            raise KeyboardInterrupt
        left.pop()
        real(*paths)

    monkeypatch.setattr(replace_files.os, "replace", replace)
    new = {tmp_path / "a": "new a", tmp_path / "new" / "d": "new d", tmp_path / "b": "new b"}
    with pytest.raises(KeyboardInterrupt):
        replace_all(new, [tmp_path / "c"])
    assert committed_all(tmp_path) == {"a": "old a", "b": "old b", "c": "old c"}
    monkeypatch.undo()
    assert len(replace_all(new, [tmp_path / "c"])) == 4
    assert committed_all(tmp_path) == {"a": "new a", "b": "new b", "new/d": "new d"}


def committed_all(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def packed(kind: str, source: Path) -> bytes:
    content = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(content, "w") as archive:
            for path in source.rglob("*"):
                archive.write(path, path.relative_to(source.parent))
    else:
        with tarfile.open(fileobj=content, mode="w:gz") as tar:
            tar.add(source, source.name)
            evil = tarfile.TarInfo("../../evil.json")
            evil.size = 2
            tar.addfile(evil, io.BytesIO(b"{}"))
            link = tarfile.TarInfo("link.json")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    return content.getvalue()


def fetching(content: bytes) -> Callable[..., None]:
    return lambda url, to, **how: to.write_bytes(content)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_fetched(source: Path, tmp_path: Path, kind: str) -> None:
    scratch = tmp_path / "a" / "scratch"
    scratch.mkdir(parents=True)
    found = publication.read("https://example.com/x", scratch, fetch=fetching(packed(kind, source)))
    made = update.built(found)
    assert {name: len(one) for name, one in made.catalogues.items()} == {"v2": 2, "v3": 2}
    assert made.events is not None
    assert "ThingCreate" in made.events
    assert all(
        path.is_relative_to(scratch) and not path.is_symlink()
        for path in tmp_path.rglob("*.json")
        if path.is_file()
        if not path.is_relative_to(source)
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>", "is no archive"), (packed("zip", Path(__file__).parent / "none"), "holds no OpenAPI")],
)
def test_what_is_no_publication_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        publication.read("https://example.com/x", tmp_path, fetch=fetching(content))


def test_an_archive_has_a_limit(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "LARGEST", 200)
    with pytest.raises(BadRequest, match="unpacks to more than 200 bytes"):
        publication.read("https://example.com/x", tmp_path / "docs-main", fetch=fetching(packed("zip", source)))


def test_two_publications_are_told_apart(source: Path) -> None:
    (source / "old").mkdir()
    (source / "old" / "things.json").write_text(json.dumps(THINGS))
    with pytest.raises(CommandError, match="OpenAPI files in several folders: name one of apps, old"):
        run("update", str(source))


def test_pages_of_markdown_are_events(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "webhook events"
    folder.mkdir(parents=True)
    schema, sample = {"properties": {"id": {"type": "string"}}}, {"type": "ThingCreate", "size": 1}
    (folder / "AppUninstall.md").write_text(
        f"# x\n```json\n{json.dumps(schema)}\n```\n## y\n```json\n{json.dumps(sample)}\n```\n"
    )
    found = event_types.of_publication(publication.read(str(tmp_path), tmp_path).events or tmp_path)
    assert found["UNINSTALL"].fields == {"id": "string", "size": "number", "type": "string"}


def test_events_are_listed_and_shown() -> None:
    listed = {row["type"]: row for row in json.loads(run("events", "--json"))}
    assert listed["ContactCreate"]["published"]
    assert not listed["UPDATE"]["published"]
    assert "customFields (object[])" in run("event", "ContactCreate")
    assert json.loads(run("event", "UPDATE", "--json"))["fields"]["previousVersionId"] == "string"
    with pytest.raises(CommandError, match="no event type 'ContactCreated'; close to it: ContactCreate"):
        run("event", "ContactCreated")


def test_a_file_of_events_is_compared_alone(source: Path) -> None:
    found = json.loads(run("diff", str(source / "webhook-events.json"), "--json"))
    assert found["events"]["added"] == ["ThingCreate"]
    assert "ContactCreate" in found["events"]["changed"]
    with pytest.raises(SystemExit):
        run("diff", str(source / "webhook-events.json"), "--fail-on", "used")


def test_the_committed_events_are_what_the_vendors_file_gives() -> None:
    reference.require()
    found = event_types.of_publication(reference.REFERENCE / "webhook-events.json")
    text = Path(event_types.__file__).with_name(event_types.FILE).read_text(encoding="utf-8")
    assert text == event_types.text_of(found), "run manage.py catalogue update"
    assert event_types.read(text) == found
