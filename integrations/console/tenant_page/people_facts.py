"""The people of a tenant: who installed, and who opened its page inside HighLevel, by name where the copy knows it.

Names come from the synced users. The page of such a record is linked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from integrations.core import masking
from integrations.core.tenant import Tenant, UserType
from integrations.installs.models import EmbeddedVisit
from integrations.sync.models import Record

LATEST = 10
_USERS = {UserType.LOCATION: "users", UserType.COMPANY: "company_users"}


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user of HighLevel: `name` and `record` are empty while the copy does not know them."""

    user_id: str
    name: str = ""
    record: int | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who opened the page inside HighLevel."""

    visit: EmbeddedVisit
    user: KnownUser


@dataclass(frozen=True, slots=True)
class People:
    """The latest visitors, and the users by id, those who installed included."""

    visitors: Sequence[Visitor] = ()
    users: dict[str, KnownUser] = field(default_factory=dict)

    def masked(self) -> People:
        """The same without names."""
        users = {user_id: replace(user, name=masking.whole(user.name)) for user_id, user in self.users.items()}
        return People([replace(one, user=users[one.user.user_id]) for one in self.visitors], users)

    def installer(self, user_id: str) -> KnownUser:
        """The user with this id."""
        return self.users.get(user_id, KnownUser(user_id))


def people_of(tenant: Tenant, apps: Sequence[int], installers: Collection[str]) -> People:
    """Those of all apps; two queries."""
    visits = list(
        EmbeddedVisit.objects.filter(app__in=apps, level=tenant.user_type, tenant_id=tenant.id).order_by("-last_at")[
            :LATEST
        ]
    )
    wanted = {visit.user_id for visit in visits} | set(installers) - {""}
    users = {user_id: KnownUser(user_id) for user_id in wanted}
    mine = Record.objects.filter(app__in=apps, location_id=tenant.id, resource=_USERS[tenant.user_type])
    for record in mine.filter(record_id__in=wanted, deleted_at=None) if wanted else ():
        name = record.payload.get("name") if isinstance(record.payload, dict) else None
        users[record.record_id] = KnownUser(record.record_id, name if isinstance(name, str) else "", record.pk)
    return People([Visitor(visit, users[visit.user_id]) for visit in visits], users)
