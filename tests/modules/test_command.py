"""`manage.py modules`: URLs and key for the developer portal."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.console.doctor.webhook_check import module_deliveries
from integrations.core.models import AuditEntry
from integrations.modules.answers import answers
from integrations.tenants.models import App
from integrations.webhooks import handlers
from tests.modules.conftest import Call

pytestmark = pytest.mark.django_db


def run(*arguments: str, app: App) -> str:
    out = StringIO()
    call_command("modules", *arguments, "--app", app.highlevel_id, stdout=out)
    return out.getvalue()


def as_json(*arguments: str, app: App) -> Any:
    return json.loads(run(*arguments, "--json", app=app))


def test_the_urls_are_those_that_are_answered_and_handled(app: App) -> None:
    answers("ExternalAuth", "erp")(lambda call: None)
    handlers.on("ProviderOutboundMessage/cheap", lambda event: None)
    found = as_json("urls", app=app)
    base = f"https://app.example.com/modules/{app.highlevel_id}"
    urls = {one["url"]: one["key"] for one in found["modules"]}
    assert urls[f"{base}/auth/erp/"] is True
    assert urls[f"{base}/provider/cheap/"] is False
    assert urls[f"{base}/action/your-name/"] is True, "an example of what no code names"
    assert found["valid_keys"] == 0
    assert "there is no key yet" in run("urls", app=app)


def test_doctor_says_when_modules_are_handled_and_no_key_was_made(app: App) -> None:
    assert [finding.level for finding in module_deliveries()] == ["ok"]
    handlers.on("ProviderOutboundMessage/cheap", lambda event: None)
    assert [finding.level for finding in module_deliveries()] == ["ok"], "what is signed needs none"
    handlers.on("WorkflowAction/say", lambda event: None)
    [warning] = module_deliveries()
    assert (warning.level, warning.found) == (
        "warning",
        "handled here, and no app has a key, so HighLevel is answered 401: WorkflowAction/say",
    )
    run("rotate", app=app)
    assert [finding.level for finding in module_deliveries()] == ["ok"]


def test_a_key_is_made_shown_and_replaced_with_entries_in_the_audit_trail(app: App, call: Call, key: str) -> None:
    second = as_json("rotate", app=app)
    assert second["valid_keys"] == 2
    assert as_json("urls", "--show-key", app=app)["key"] == second["key"]
    assert second["key"] not in run("urls", app=app)
    assert as_json("end-former", app=app) == {"ended": 1, "valid_keys": 1}
    with pytest.raises(CommandError, match="no former key"):
        run("end-former", app=app)
    recorded = list(AuditEntry.objects.filter(action__startswith="module_key.").order_by("pk"))
    actions = [entry.action for entry in recorded]
    assert actions == ["module_key.made", "module_key.made", "module_key.shown", "module_key.ended"]
    assert second["key"] not in json.dumps([entry.detail for entry in recorded])


def test_the_text_says_where_each_goes(app: App) -> None:
    key = run("rotate", app=app).strip().removeprefix("X-Module-Key: ")
    shown = run("urls", "--show-key", app=app)
    assert f"X-Module-Key: {key}" in shown
    assert "delivery URL of a conversation provider" in shown
    assert "The former key is valid until" in run("rotate", app=app)
