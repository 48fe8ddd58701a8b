"""`manage.py call` with files, and with the link that cures a missing scope."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.tenants.models import App
from tests.gateway_operations.conftest import LOCATION, credential
from tests.gateway_operations.scripted import Scripted, status
from tests.gateway_operations.test_media import body_of, digest

UPLOAD, DOWNLOAD = "medias.upload-media-content", "conversations.get-message-recording"


@pytest.fixture
def run(app: App) -> Any:
    credential(app, "location", scopes="medias.write conversations/message.readonly")

    def run(operation: str, *arguments: str) -> Any:
        out = io.StringIO()
        call_command("call", operation, "--location", LOCATION, "--app", app.client_id, *arguments, stdout=out)
        return json.loads(out.getvalue())

    return run


def test_a_file_goes_up(run: Any, scripted: Scripted, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a,b\n")
    scripted.plan(digest)
    found = run(UPLOAD, "--file", f"file={path}", "--body", '{"name": "A list"}')
    assert (found["name"], found["file"][:3]) == ("A list", ["list.csv", "text/csv", 4])


def test_an_answer_comes_down_into_a_file(run: Any, scripted: Scripted, tmp_path: Path) -> None:
    scripted.plan(body_of(1))
    to = tmp_path / "recording.wav"
    found = run(DOWNLOAD, "--param", "messageId=M", "--out", str(to))
    assert found == {"path": str(to), "size": 1048576, "media_type": "audio/x-wav", "trace_id": "T"}
    assert to.stat().st_size == 1048576


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--file", "list.csv"], "--file 'list.csv' is not FIELD=PATH"),
        (["--file", "file=/no/such/file"], "No such file or directory: /no/such/file"),
        (["--out", "/no/such/folder/x", "--body", '{"name": "A"}'], "No such file or directory: /no/such/folder/x"),
        (["--out", "x", "--file", "file=x"], "--out and --file cannot be used together"),
        (["--all-pages", "--file", "file=x"], "--all-pages and --file cannot be used together"),
        (
            ["--out", "x", "--field", "id"],
            "--out writes the whole answer: use --field with it only for --all-pages",
        ),
    ],
)
def test_a_mistake_is_one_line(run: Any, scripted: Scripted, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError) as raised:
        run(UPLOAD, *arguments)
    assert str(raised.value) == said
    assert scripted.requests == []


def test_a_missing_scope_comes_with_its_cure(run: Any, app: App, scripted: Scripted) -> None:
    scripted.plan(status(401, "The token is not authorized for this scope."))
    with pytest.raises(CommandError, match=r"scope_missing: users\.get-user-by-location needs") as raised:
        run("users.get-user-by-location")
    assert "\nfirst add to the app in the marketplace: users.readonly\n" in str(raised.value)
    assert "\nto resolve it: https://app.example.com/" in str(raised.value)
    assert str(raised.value).endswith(f"/install/?app={app.highlevel_id}")
