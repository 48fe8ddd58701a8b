"""The file of every list, with every column, as each role gets it: what the pages mask is masked there, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from integrations.core.lists import list_columns
from tests.operators.conftest import PERSONAL, SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # sixty files


def found_in(client: Client, role: str, form: str) -> tuple[set[str], set[str]]:
    """Where personal data is, as `list: value`, and the lists that could be downloaded."""
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username=f"the-{role}")
    seen, open_ = set(), set()
    for model, page in admin.site._registry.items():
        label = f"{model._meta.app_label}/{model._meta.model_name}"
        every = [column.name for column in list_columns.columns(page, request)]
        query = "?state=all" if label == "problems/problem" else ""
        answer: Any = client.post(f"/admin/{label}/export/{query}", {"do": "download", "form": form, "column": every})
        if answer.status_code == 200:
            text = answer.getvalue().decode()
            open_.add(label)
            seen |= {f"{label}: {one}" for one in PERSONAL if one in text}
    return seen, open_


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_support_gets_no_personal_data_and_operators_do(people: dict[str, Any], sign_in: SignIn, form: str) -> None:
    assert found_in(sign_in("viewer"), "viewer", form) == (set(), set()), "viewers download nothing"
    masked, lists = found_in(sign_in("support"), "support", form)
    assert masked == set()
    assert {"webhooks/event", "sync/record", "tenants/installation"} <= lists
    assert not lists & {"core/auditentry", "auth/user"}
    unmasked, _ = found_in(sign_in("operator"), "operator", form)
    assert {one.partition(":")[0] for one in unmasked} >= {"webhooks/event", "sync/record", "tenants/installation"}
