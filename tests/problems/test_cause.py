"""Which failures have one cause: ids, numbers, addresses and quoted texts do not tell them apart."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.problems import cause
from integrations.problems.cause import RecordedFailure
from integrations.problems.models import FailureKind
from tests.problems.conftest import NOON


def failed(words: str, **fields: Any) -> str:
    values: dict[str, Any] = {"subject": "contacts", "code": "request_rejected", "tenant_id": "loc1", "row": 1}
    return cause.of(RecordedFailure(kind=FailureKind.SYNC, words=words, at=NOON, **(values | fields)), None).fingerprint


@pytest.mark.parametrize(
    ("text", "common"),
    [
        ("Contact with id 8hVZ0q2LkXw3Nn not found", "Contact with id # not found"),
        ("Contact with id aBcDeFgHiJkLmNoPqRsT not found", "Contact with id # not found"),
        ("duplicate of ann@example.com, call +1 555 010 7788", "duplicate of …, call …"),
        ("tag 'Ann Smith' is unknown", "tag … is unknown"),
        ('no such field "custom one" in contacts', "no such field … in contacts"),
        ("HighLevel answered 422: bad email", "HighLevel answered 422: bad email"),
        ("refused (10 times in a row)", "refused"),
        ("refused (trace id 3f2a-11)", "refused"),
        ("refused (event 12ab was set aside)", "refused"),
        (
            "KeyError in tag, line 12 of jobs.py: a bug in the job",
            "KeyError in tag, line # of jobs.py: a bug in the job",
        ),
        ("no answer from https://services.example.com/contacts/1", "no answer from …"),
        ("it's the vendor's fault", "it's the vendor's fault"),
        ("", ""),
    ],
)
def test_the_words_of_a_cause_name_nobody(text: str, common: str) -> None:
    assert cause.common_words(text) == common


def test_other_words_another_code_or_another_subject_are_another_cause() -> None:
    one = failed("contact 1 not found")
    assert failed("contact 2 not found", tenant_id="loc2", row=2) == one
    others = [
        failed("contact 1 gone"),
        failed("contact 1 not found", code="ours"),
        failed("contact 1 not found", subject="x"),
        failed("contact 1 not found", status=404),
    ]
    assert len({one, *others}) == 5


def test_long_words_are_cut() -> None:
    assert len(cause.common_words("word " * 10_000)) <= cause.LONGEST
