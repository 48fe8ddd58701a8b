"""Forms, surveys and what people submitted.

Without a first day the vendor lists the submissions of the last month. They never change, so a run asks for those since
the day of the last run, and for all of them once a week.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sync.resources.base import ListingRequest, Resource
from integrations.sync.resources.in_api1 import API_1

_FROM_THE_BEGINNING = {"startAt": "2015-01-01"}  # no account of the vendor is older


def _since(_location_id: str, since: datetime) -> ListingRequest:
    return ListingRequest(params={"startAt": f"{since.astimezone(UTC):%Y-%m-%d}"})


_SUBMISSIONS: dict[str, Any] = {"params": _FROM_THE_BEGINNING, "since": _since, "full_every": timedelta(days=7)}

FORMS = Resource(name="forms", operation="forms.get-forms", elsewhere={"1.0": API_1["forms"]})
FORM_SUBMISSIONS = Resource(name="form_submissions", operation="forms.get-forms-submissions", **_SUBMISSIONS)
SURVEYS = Resource(name="surveys", operation="surveys.get-surveys", elsewhere={"1.0": API_1["surveys"]})
SURVEY_SUBMISSIONS = Resource(name="survey_submissions", operation="surveys.get-surveys-submissions", **_SUBMISSIONS)

ALL = (FORMS, FORM_SUBMISSIONS, SURVEYS, SURVEY_SUBMISSIONS)
