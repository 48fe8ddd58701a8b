"""The tenant value: a company (agency) or a location (sub-account), its kind together with its id.

Every key that names a tenant is derived here: the quota key, the mailbox key of webhooks, the subject of an audit entry
and the name that pages and messages show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.db.models import TextChoices


class UserType(TextChoices):
    """The kind of tenant that a token belongs to, in HighLevel's own words (`userType` of its token endpoint)."""

    COMPANY = "Company", "Company"
    LOCATION = "Location", "Location"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company or a location. `id` is HighLevel's companyId or locationId. Raises ValueError for another user type."""

    user_type: UserType
    id: str

    def __post_init__(self) -> None:
        # A plain "Location" equals the enum member but hashes differently, and tenants are keys of dictionaries.
        object.__setattr__(self, "user_type", UserType(self.user_type))

    @classmethod
    def company(cls, company_id: str) -> Tenant:
        """The company with this companyId."""
        return cls(UserType.COMPANY, company_id)

    @classmethod
    def location(cls, location_id: str) -> Tenant:
        """The location with this locationId."""
        return cls(UserType.LOCATION, location_id)

    def __str__(self) -> str:
        """The name for people: `Location <id>`."""
        return f"{self.user_type.value} {self.id}"

    @property
    def kind(self) -> Literal["location", "company"]:
        """The kind as the operation catalogue, commands and pages call it."""
        return "location" if self.user_type is UserType.LOCATION else "company"

    @property
    def audit_subject(self) -> str:
        """The `subject` of audit entries about it: `Location:<id>`."""
        return f"{self.user_type.value}:{self.id}"

    @property
    def mailbox_key(self) -> str:
        """The `tenant` column of its mailboxes, and the `tenant` of log lines: `location:<id>`."""
        return f"{self.kind}:{self.id}"

    @property
    def request_fields(self) -> dict[str, str]:
        """The parameter that names it in a request: `{"locationId": <id>}` or `{"companyId": <id>}`."""
        return {f"{self.kind}Id": self.id}

    def quota_key(self, quota_app: str) -> str:
        """The key of its quota. `quota_app` is the app's client id, or the name of a quota that apps share."""
        return quota_key(quota_app, self.id)


def quota_key(quota_app: str, resource_id: str) -> str:
    """The key of the quota of one app on one company or location: the vendor's ids are unique over both kinds."""
    return f"{quota_app}:{resource_id}"
