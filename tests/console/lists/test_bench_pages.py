"""The benchmark of the console measures every page that has an address, and only what answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from bench.data import console_pages
from tests.console.conftest import COMPANY, LOCATION
from tests.operators.conftest import people as people
from tests.operators.conftest import unrendered as unrendered
from tests.operators.test_access import patterns

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
VALUES = {
    "tenants_location_change": LOCATION,
    "tenants_company_change": COMPANY,
    "quota_resource": f"app:{LOCATION}",
    "gateway_explore_operation": "contacts.get-contact",
    "app_list": "tenants",
}
WITHOUT_ROWS = ("core_workerprocess", "gateway_usage", "quota_usage", "operators_operatorsession")


@pytest.mark.slow  # a hundred and fifty pages
@pytest.mark.usefixtures("unrendered")
def test_each_page_of_the_url_configuration_is_measured_and_answers(
    operator_client: Client, people: dict[str, Any]
) -> None:
    Group.objects.get_or_create(name="viewer")
    found = console_pages.find(VALUES)
    assert {name.rpartition("_")[0] for name in found.without_rows} <= {*WITHOUT_ROWS}
    not_measured = (*console_pages.FORMS, *console_pages.POSTED, *console_pages.FILES)
    names = {str(one.name) for one in patterns() if one.name} - {*console_pages.NOT_PAGES}
    wanted = {name for name in names if not name.endswith(not_measured)}
    assert len(found.addresses) + len(found.without_rows) == len(wanted)
    answers = {url: operator_client.get(f"/admin/{url}").status_code for url in found.addresses}
    assert {url: status for url, status in answers.items() if status != 200} == {}
