"""Every webhook sample the vendor has published, as it stands there, signed and posted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from integrations.tenants.models import App
from integrations.webhooks.models import Event
from tests.support.tables import check_every
from tests.webhooks.conftest import Post

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "highlevel"
FILE = Path(os.environ.get("HIGHLEVEL_REFERENCE") or _BESIDE) / "webhook-events.json"
ABSENT = f"no {FILE.name}: set HIGHLEVEL_REFERENCE to the folder with the vendor's reference"
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


def _samples() -> dict[str, Any]:
    """The samples by the page they stand on and their number there."""
    pages: dict[str, Any] = json.loads(FILE.read_text()) if FILE.is_file() else {}
    return {
        f"{page}-{number}": sample
        for page, content in pages.items()
        for number, sample in enumerate(content["examples"])
    }


@pytest.mark.slow
@pytest.mark.django_db
def test_every_published_sample_is_stored_for_its_tenant(post: Post, app: App) -> None:
    samples = _samples()
    if not samples and not IN_CI:
        pytest.skip(ABSENT)
    assert len(samples) >= 60, ABSENT

    def is_stored_for_its_tenant(name: str) -> None:
        with transaction.atomic():  # taken back after each
            try:
                _stored_once(post, app, samples[name], name.rpartition("-")[0])
            finally:
                transaction.set_rollback(True)

    check_every(samples, is_stored_for_its_tenant)


def _stored_once(post: Post, app: App, sample: dict[str, Any], page: str) -> None:
    App.objects.filter(pk=app.pk).update(highlevel_id=sample.get("appId", app.highlevel_id))
    assert post(sample).json() == {"status": "stored"}
    event = Event.objects.get()
    assert event.mailbox.tenant == _tenant(sample)
    # The page of a module, whose `type` is a channel.
    assert event.type == (page if page == "ProviderOutboundMessage" else sample.get("type") or "")
    assert event.payload == sample
    assert post(sample).json() == {"status": "duplicate"}


def _tenant(sample: dict[str, Any]) -> str:
    """By the reference: `locationId`, else `altId` of a location, else the company."""
    match sample:
        case {"locationId": str(location)} | {"altType": "location", "altId": str(location)}:
            return f"location:{location}"
    return f"company:{sample['companyId']}"
