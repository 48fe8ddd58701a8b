"""What a run's row keeps of the vendor's answer: everything that helps, nothing of people, and not too much."""

from __future__ import annotations

import json

from integrations.core.errors import NO_ANSWER, VendorAnswer
from integrations.core.runs import vendor_answers


def test_codes_meta_and_headers_are_kept_and_people_are_not() -> None:
    meta = {"contactId": "c1", "contactName": "Ann", "matchingField": "email", "fieldName": "x", "email": "a@b.c"}
    answer = VendorAnswer(
        400, "refused", "t-1", ("one", "two"), {"meta": meta, "errors": [{"phone": "+1"}]}, {"a": "b"}
    )
    assert vendor_answers.kept(answer) == {
        "status": 400,
        "message": "refused",
        "details": ["one", "two"],
        "trace_id": "t-1",
        "body": {
            "meta": {"contactId": "c1", "contactName": "…", "matchingField": "email", "fieldName": "x", "email": "…"},
            "errors": [{"phone": "…"}],
        },
        "headers": {"a": "b"},
    }


def test_no_answer_is_nothing() -> None:
    assert vendor_answers.kept(NO_ANSWER) is None


def test_a_large_body_is_left_out_and_says_so() -> None:
    kept = vendor_answers.kept(VendorAnswer(422, "no", "t-1", (), ["x" * 200] * 50))
    assert kept is not None
    assert kept["body"].startswith("left out: ")
    assert len(json.dumps(kept)) < vendor_answers.LARGEST
