"""Every webhook sample the vendor has published, as it stands there, signed and posted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from integrations.tenants.models import App
from integrations.webhooks.models import Event
from tests.webhooks.conftest import Post

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "highlevel"
FILE = Path(os.environ.get("HIGHLEVEL_REFERENCE") or _BESIDE) / "webhook-events.json"
ABSENT = f"no {FILE.name}: set HIGHLEVEL_REFERENCE to the folder with the vendor's reference"
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")


def _samples() -> list[Any]:
    if not FILE.is_file():
        return []
    pages: dict[str, Any] = json.loads(FILE.read_text())
    return [
        pytest.param(sample, id=f"{page}-{number}")
        for page, content in pages.items()
        for number, sample in enumerate(content["examples"])
    ]


SAMPLES = _samples()


def test_the_samples_are_here() -> None:
    if not SAMPLES and not IN_CI:
        pytest.skip(ABSENT)
    assert len(SAMPLES) >= 60, ABSENT


@pytest.mark.django_db
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_published_sample_is_stored_for_its_tenant(post: Post, app: App, sample: dict[str, Any]) -> None:
    App.objects.filter(pk=app.pk).update(highlevel_id=sample.get("appId", app.highlevel_id))
    assert post(sample).json() == {"status": "stored"}
    event = Event.objects.get()
    assert event.mailbox.tenant == _tenant(sample)
    assert event.type == (sample.get("type") or "")
    assert event.payload == sample
    assert post(sample).json() == {"status": "duplicate"}


def _tenant(sample: dict[str, Any]) -> str:
    """By the reference: `locationId`, else `altId` of a location, else the company."""
    match sample:
        case {"locationId": str(location)} | {"altType": "location", "altId": str(location)}:
            return f"location:{location}"
    return f"company:{sample['companyId']}"
