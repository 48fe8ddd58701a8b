"""`doctor --portal` compares the files of HighLevel's CLI with what is configured here."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from integrations.console.doctor import portal_check, portal_files
from integrations.core.errors import BadRequest
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.webhooks import handlers
from integrations.webhooks.module_deliveries import TYPES, kind_of

Json = dict[str, Any]


class Folder:
    """What `ghl app pull` has written for the app, as configured here; a test changes it and compares."""

    def __init__(self, path: Path, app: App) -> None:
        self.path = path
        self.app: Json = {
            "schemaVersion": 1,
            "appId": app.highlevel_id,
            "versionId": app.version_id,
            "version": "1.2.0",
            "status": "live",
            "oauth": {
                "allowedScopes": sorted(app.scope_set),
                "redirectUris": [marketplace.redirect_uri(app)],
                "defaults": {"clientKey": None, "redirectUrl": None},
            },
        }
        taken = sorted(kind for kind, found in handlers.HANDLERS.items() if found and kind_of(kind) not in TYPES)
        self.webhooks: Json = {
            "schemaVersion": 1,
            "webhookUrl": f"{settings.PUBLIC_URL}/webhooks",
            "subscribedEvents": [{"name": kind} for kind in taken if kind not in portal_check.LIFECYCLE],
        }

    def write(self) -> Path:
        (self.path / portal_files.APP_FILE).write_text(json.dumps(self.app))
        file = self.path / portal_files.WEBHOOKS_FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.webhooks))
        return self.path

    def found(self) -> dict[str, list[tuple[str, str]]]:
        """Level and text of the findings, by check."""
        by_check: dict[str, list[tuple[str, str]]] = {}
        for finding in portal_check.compare(self.write()):
            by_check.setdefault(finding.check, []).append((finding.level.value, finding.found))
        return by_check


@pytest.fixture
def folder(tmp_path: Path, app: App) -> Folder:
    return Folder(tmp_path, app)


def test_an_app_that_agrees_has_nothing_to_mend(folder: Folder) -> None:
    found = folder.found()
    assert {level for findings in found.values() for level, _ in findings} == {"ok"}
    assert found.keys() == {
        "portal app",
        "portal version",
        "portal scopes",
        "portal redirect URIs",
        "portal webhook URL",
        "portal events",
    }


def test_scopes_differ_both_ways(folder: Folder) -> None:
    own = folder.app["oauth"]["allowedScopes"]
    lost = own.pop()
    own.append("workflows.readonly")
    assert folder.found()["portal scopes"] == [
        ("failed", f"not in the portal: {lost}"),
        ("warning", "in the portal only: workflows.readonly"),
    ]


def test_the_redirect_uri_has_to_be_there_letter_by_letter(folder: Folder, app: App) -> None:
    ours = marketplace.redirect_uri(app)
    folder.app["oauth"]["redirectUris"] = [f"{ours}/"]
    assert folder.found()["portal redirect URIs"] == [("failed", f"{ours} is not among them: {ours}/")]
    folder.app["oauth"] |= {"redirectUris": [ours, "https://old.example"]}
    folder.app["oauth"]["defaults"] = {"redirectUrl": "https://old.example"}
    assert folder.found()["portal redirect URIs"] == [("warning", "the default is https://old.example")]


def test_webhooks_have_to_come_here(folder: Folder, app: App) -> None:
    folder.webhooks["webhookUrl"] = "https://elsewhere.example/webhooks/"
    assert folder.found()["portal webhook URL"] == [("failed", "https://elsewhere.example/webhooks/")]
    folder.webhooks["webhookUrl"] = f"{settings.PUBLIC_URL}/webhooks/{app.highlevel_id}/"
    folder.webhooks["subscribedEvents"][0]["url"] = "https://elsewhere.example/"
    [(level, text)] = folder.found()["portal webhook URL"]
    assert (level, text.partition(" ")[0]) == ("warning", folder.webhooks["subscribedEvents"][0]["name"])


def test_events_are_subscribed_and_handled(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def greet(event: Any) -> None:
        """A handler of an own app."""

    monkeypatch.setitem(handlers.HANDLERS, "SupportTicketCreate", (greet,))
    events = folder.webhooks["subscribedEvents"]
    folder.webhooks["subscribedEvents"] = [one for one in events if one["name"] != "ContactCreate"]
    folder.webhooks["subscribedEvents"] += [{"name": "LCEmailStats"}, {"name": "AppInstall"}]
    found = folder.found()["portal events"]
    assert found == [
        ("failed", "handled here and not subscribed: SupportTicketCreate"),
        ("warning", "not subscribed, so the copy follows at its next listing only: ContactCreate"),
        ("warning", "subscribed and not handled: LCEmailStats"),
    ]


def test_versions(folder: Folder, app: App, agency: Installation) -> None:
    Installation.objects.filter(pk=agency.pk).update(version_id="old-version")
    Installation.objects.exclude(pk=agency.pk).update(version_id=app.version_id)
    [(level, text)] = folder.found()["portal version"]
    assert level == "warning"
    assert text.endswith("1 installations are on other versions")
    folder.app |= {"versionId": "new-version", "status": "deprecating"}
    levels = [level for level, _ in folder.found()["portal version"]]
    assert levels == ["warning", "warning"]


def test_another_app_ends_the_comparison(folder: Folder, app: App) -> None:
    folder.app["appId"] = "66f0a0000000000000000000"
    [finding] = portal_check.compare(folder.write())
    assert finding.level == "failed"
    assert finding.found == f"66f0a0000000000000000000 is no app here; here: {app.highlevel_id}"


def test_without_the_file_of_webhooks_nothing_is_proven_about_them(folder: Folder) -> None:
    folder.write()
    (folder.path / portal_files.WEBHOOKS_FILE).unlink()
    found = {finding.check: finding.level for finding in portal_check.compare(folder.path / portal_files.APP_FILE)}
    assert found["portal webhook URL"] == "unknown"
    assert "portal events" not in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "has no oauth"),
        ('{"oauth": {"allowedScopes": "contacts.readonly"}, "appId": "a"}', "has no versionId"),
        (b"\xff", "is not JSON"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_name(tmp_path: Path, text: str | bytes, words: str) -> None:
    file = tmp_path / "ghl-app.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadRequest, match=words) as refused:
        portal_files.read(tmp_path)
    assert str(file) in str(refused.value)


def test_the_command_compares_only_the_files(folder: Folder, tmp_path: Path) -> None:
    out = StringIO()
    call_command("doctor", "--portal", str(folder.write()), "--json", stdout=out)
    assert {finding["level"] for finding in json.loads(out.getvalue())} == {"ok"}
    folder.app["oauth"]["redirectUris"] = []
    with pytest.raises(CommandError, match="failed: portal redirect URIs"):
        call_command("doctor", "--portal", str(folder.write()), stdout=StringIO())
    with pytest.raises(CommandError, match=r"nothing\.json cannot be read"):
        call_command("doctor", "--portal", str(tmp_path / "nothing.json"), stdout=StringIO())
