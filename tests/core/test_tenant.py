"""The tenant value: equality, and each key that is derived from it."""

from __future__ import annotations

import pytest

from integrations.core.tenant import Tenant, UserType

LOCATION, COMPANY = Tenant.location("loc1"), Tenant.company("com1")


def test_a_user_type_as_plain_text_makes_the_same_value() -> None:
    plain = Tenant("Location", "loc1")  # type: ignore[arg-type]
    assert plain == LOCATION
    assert {LOCATION: 1}[plain] == 1
    assert plain.user_type is UserType.LOCATION


def test_the_same_id_of_the_other_kind_is_another_tenant() -> None:
    assert Tenant.company("loc1") != LOCATION


def test_another_user_type_is_refused() -> None:
    with pytest.raises(ValueError, match="Agency"):
        Tenant("Agency", "x")  # type: ignore[arg-type]


def test_its_keys() -> None:
    assert (LOCATION.kind, COMPANY.kind) == ("location", "company")
    assert (LOCATION.quota_key("app-1"), COMPANY.quota_key("api-1.0")) == ("app-1:loc1", "api-1.0:com1")
    assert (LOCATION.mailbox_key, COMPANY.mailbox_key) == ("location:loc1", "company:com1")
    assert (LOCATION.audit_subject, COMPANY.audit_subject) == ("Location:loc1", "Company:com1")
    assert (str(LOCATION), str(COMPANY)) == ("Location loc1", "Company com1")
    assert (LOCATION.request_fields, COMPANY.request_fields) == ({"locationId": "loc1"}, {"companyId": "com1"})
