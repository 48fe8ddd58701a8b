"""System checks: each finds its own misuse, and says nothing about the settings of the tests."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from hlapp.start import check_event_names
from integrations.jobs import checks as job_checks
from integrations.jobs import define
from integrations.sync import checks as sync_checks
from integrations.sync.resources import ALL, Single
from integrations.tenants import checks as tenants_checks
from integrations.tenants import lifecycle_hooks
from tests.support.processes import ROOT

NO_EVENTS = {"name": "other", "creates": frozenset(), "updates": frozenset(), "deletes": frozenset()}


@pytest.fixture(autouse=True)
def second_factor(settings: Settings) -> None:
    """As production should have it; the tests' operators have only a session."""
    settings.OPERATOR_SECOND_FACTOR = "required"


def found() -> set[str]:
    return {str(message.id) for message in run_checks(tags=["hlapp"], include_deployment_checks=True)}


def key(raw: bytes) -> list[str]:
    return [f"k:{base64.b64encode(raw).decode()}"]


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, set()),
        ({"ALLOWED_HOSTS": []}, {"hlapp.E001"}),
        ({"ALLOWED_HOSTS": ["*"]}, set()),
        ({"ALLOWED_HOSTS": [".example.com"]}, set()),
        ({"CELERY_BROKER_URL": "localhost:6379"}, {"hlapp.E002"}),
        ({"CELERY_BROKER_URL": "amqps://user:password@host//"}, set()),
        ({"HTTPS": False}, {"hlapp.W001"}),
        ({"PUBLIC_URL": "https://leadconnector.app.example.com", "ALLOWED_HOSTS": ["*"]}, {"hlapp.W002"}),
        ({"DEBUG": True}, {"hlapp.W004"}),
        ({"TRUSTED_PROXIES": 0}, {"hlapp.W005"}),
        ({"OPERATOR_SECOND_FACTOR": "optional"}, {"hlapp.W006"}),
        ({"VAULT_KEYS": key(bytes(32))}, {"vault.W001"}),
        ({"VAULT_KEYS": key(b"correct horse battery staple 123")}, {"vault.W001"}),
        ({"VAULT_KEYS": key(bytes(range(100, 132)))}, set()),
    ],
)
def test_each_misuse_has_its_id(settings: Settings, changes: Any, ids: set[str]) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert found() == ids


def test_production_with_the_stand_in_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_settings, "INSTALLED_APPS", ["integrations.sandbox"])  # Django loads no apps anew
    assert found() == {"hlapp.E003"}
    monkeypatch.setattr(django_settings, "DEBUG", True)
    assert found() == {"hlapp.W004"}


def test_an_error_stops_commands_and_names_what_to_do(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["elsewhere.example.com"]
    with pytest.raises(SystemCheckError, match=r"hlapp\.E001[\s\S]*Add app\.example\.com to ALLOWED_HOSTS"):
        call_command("check")


def test_a_job_that_waits_for_a_misspelt_event(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: dict[str, Any] = {}
    monkeypatch.setattr(define, "JOBS", jobs)
    monkeypatch.setattr(job_checks, "JOBS", jobs)

    @define.background_job("tests.never", on=("ContactCreated", "ContactUpdate"))
    def never(run: Any) -> None: ...

    (message,) = run_checks(tags=["hlapp"])
    assert message.id == "jobs.E001"
    assert "'ContactCreated'" in message.msg
    assert message.hint is not None
    assert "ContactCreate" in message.hint


def test_no_process_starts_while_a_job_or_a_hook_waits_for_an_unknown_event(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs: dict[str, Any] = {}
    hooks: dict[str, Any] = {}
    monkeypatch.setattr(define, "JOBS", jobs)
    monkeypatch.setattr(job_checks, "JOBS", jobs)
    for module in (lifecycle_hooks, tenants_checks):
        monkeypatch.setattr(module, "HOOKS", hooks)
    check_event_names()
    define.background_job("tests.install", on="INSTALL")(lambda run: None)
    assert jobs["tests.install"].events == ("installed",)
    check_event_names()
    define.background_job("tests.mixed", on=("UNINSTALL", "ContactCreate"))(lambda run: None)
    lifecycle_hooks.on("instaled")(lambda change: None)
    with pytest.raises(SystemExit) as stopped:
        check_event_names()
    said = capsys.readouterr().err
    assert stopped.value.code == 3
    assert all(text in said for text in ("'tests.mixed'", "jobs.E002", "'instaled'", "installed", "tenants.E001")), said


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, {"sync.E001", "sync.E002"}),
        ({"name": "other"}, {"sync.E002"}),
        (NO_EVENTS, set()),
        ({**NO_EVENTS, "operation": "contacts.list"}, {"sync.E003"}),
        ({**NO_EVENTS, "whole": "contacts"}, {"sync.E004"}),
        ({**NO_EVENTS, "operation": "companies.get-company", "whole": "company"}, {"sync.E005", "sync.E006"}),
        ({**NO_EVENTS, "operation": "contacts.get-all-notes", "whole": "notes"}, {"sync.E006"}),
        ({**NO_EVENTS, "single": Single("contacts.get", "id")}, {"sync.E003"}),
    ],
)
def test_a_resource_that_contradicts_another_or_the_catalogue(
    monkeypatch: pytest.MonkeyPatch, changes: Any, ids: set[str]
) -> None:
    contacts = next(resource for resource in ALL if resource.name == "contacts")
    monkeypatch.setattr(sync_checks, "ALL", (*ALL, replace(contacts, **changes)))
    assert found() == ids


@pytest.mark.slow
def test_production_passes_djangos_deployment_check_with_its_variables_alone(tmp_path: Path) -> None:
    """As a deployment has them: those that docs/going-live.md asks for, generated, and nothing of the tests."""
    variables = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": secrets.token_urlsafe(50),
        "VAULT_KEYS": key(secrets.token_bytes(32))[0],
        "PUBLIC_URL": "https://hooks.example.com",
        "ALLOWED_HOSTS": "hooks.example.com",
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "REDIS_URL": os.environ["REDIS_URL"],
        "HIGHLEVEL_CLIENT_ID": "66a0419a0dffa47fb5f8b22f-lyx1abcd",
        "HIGHLEVEL_CLIENT_SECRET": secrets.token_urlsafe(24),
        "HIGHLEVEL_SHARED_SECRET": secrets.token_urlsafe(24),
        "SPOOL_DIR": str(tmp_path),
        "HIGHLEVEL_SCOPES": "contacts.readonly oauth.readonly oauth.write",
        "OPERATOR_SECOND_FACTOR": "required",
    }
    argv = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    def checked(**changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, cwd=ROOT, env={**variables, **changed}, capture_output=True, text=True, check=False)

    done = checked()
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "no issues" in done.stdout
    assert checked(OPERATOR_SECOND_FACTOR="optional").returncode == 1, "a warning is seen"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weak", "named"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY should be"),
        ({"METRICS_TOKEN": "guess"}, "METRICS_TOKEN should be"),
        ({"OPERATOR_SECOND_FACTOR": "yes"}, "OPERATOR_SECOND_FACTOR should be one of required, optional"),
        ({"OPERATOR_OIDC_ROLES": "admins=root"}, "OPERATOR_OIDC_ROLES should be group=role"),
        (
            {"OPERATOR_OIDC_ISSUER": "http://id.example"},
            "OPERATOR_OIDC_CLIENT_ID and OPERATOR_OIDC_CLIENT_SECRET have to be set with an issuer; OPERATOR_OIDC",
        ),
        ({"VAULT_KEYS": key(bytes(32))[0]}, "VAULT_KEYS starts with a key that is not random"),
        ({"VAULT_KEYS": f"new:{base64.b64encode(bytes(range(32))).decode()},{key(bytes(32))[0]}"}, ""),
    ],
)
def test_weak_and_wrong_values_stop_production(weak: dict[str, str], named: str) -> None:
    """In a process of its own, because settings are read once. Without `django.setup()`, so it takes half a second."""
    code = "from django.conf import settings; settings.DEBUG"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **weak}, capture_output=True, text=True, check=False
    )
    assert (named in done.stderr) if named else done.returncode == 0, done.stderr
    assert bool(done.returncode) == bool(named)
