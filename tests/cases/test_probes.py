"""Probes and scrapers that call a process by its own address: they are answered, whatever the Host."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.cases.case_files import each


@pytest.mark.django_db(transaction=True)
@each("probes")
def test_it_is_answered(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture, case: dict[str, Any]
) -> None:
    settings.METRICS_TOKEN = "scrape"
    for path in case["paths"]:
        answer = client.get(path, headers={"host": case["host"], "Authorization": "Bearer scrape"})
        assert answer.status_code in ((200, 503) if path == "/readyz" else (200,)), path
    assert "DisallowedHost" not in caplog.text
