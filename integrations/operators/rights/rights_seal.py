"""Seals over the rights of operators.

An account's password hash, its flags and all its permissions are sealed by the vault, bound to the account. The seal is
checked when the operator signs in and at every request, and the permissions are taken from it (`sealed_backend`). So a
password hash, a flag, a group or a permission that somebody wrote into the database gives nothing: an account whose
seal does not fit cannot sign in, and its sessions end.

Whatever changes an account here seals it again (`seal`). For an account that was changed by SQL, or that lost its key,
there is `manage.py operators seal NAME`, which shows what it seals.

**What remains.** A seal proves that this application gave these rights, not that they are its newest. Somebody who has
kept an earlier row of an account together with its seal can put both back: the rights and the password of that time.
The audit trail has the change that this undoes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable

import structlog
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Q

from integrations.core import audit
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.operators import audited
from integrations.operators.models import RightsSeal
from integrations.vault import columns, forget
from integrations.vault.seal import Binding, unseal
from integrations.vault.seal import seal as seal_text

REMOVED = "must be sealed again"
log = structlog.get_logger(__name__)


def seal(user: User) -> list[str]:
    """Seal the rights that the account has now in the database. Returns its permissions.

    Raises SealBroken when VAULT_KEYS is not the right ring.
    """
    account = User.objects.get(pk=user.pk)
    granted = _granted(account)
    values = {"permissions": granted, "sealed": seal_text(digest(account, granted), binding(account.pk))}
    RightsSeal.objects.update_or_create(user=account, defaults=values)
    return granted


def seal_password(user: User) -> None:
    """Seal the password of an account that was proven when `user` was loaded. All else stays what its seal says.

    The tables are not read: a group that somebody has written for the account must not get in this way.
    """
    found: RightsSeal = user.rights_seal
    values = {"permissions": found.permissions, "sealed": seal_text(digest(user, found.permissions), binding(user.pk))}
    RightsSeal.objects.filter(user=user).update(**values)


def clean(users: Iterable[User]) -> list[User]:
    """Those of the accounts whose rights in the tables are what their seal says. Ask this before a change, and seal
    only these after it: others were changed past this application.
    """
    loaded = User.objects.select_related("rights_seal").filter(pk__in=[user.pk for user in users])
    return [user for user in loaded if proven(user) == frozenset(_granted(user))]


def seal_all(users: Iterable[User]) -> None:
    """Seal each of these accounts: their group has other permissions."""
    for user in users:
        seal(user)


def members(group: Group) -> list[User]:
    """The accounts of a group."""
    return list(User.objects.filter(groups=group).order_by("pk"))


def proven(user: User) -> frozenset[str] | None:
    """The permissions that the account's seal proves, as `app.codename`. None when there is no seal that fits."""
    found: RightsSeal | None = getattr(user, "rights_seal", None)
    if found is None:
        return None
    try:
        stored = unseal(found.sealed, binding(user.pk)).reveal()
    except SealBroken as error:
        log.warning("operators.seal_broken", user=user.pk, reason=str(error))
        return None
    fits = hmac.compare_digest(stored, digest(user, found.permissions).reveal())
    return frozenset(found.permissions) if fits else None


def refused() -> list[User]:
    """Accounts that might sign in but for their seal."""
    may = User.objects.filter(is_active=True, is_staff=True).select_related("rights_seal").order_by("pk")
    return [user for user in may if proven(user) is None]


def digest(user: User, granted: list[str]) -> Secret:
    """What is sealed. A digest, so that the hash of the password is in one place only."""
    flags = [user.is_active, user.is_staff, user.is_superuser]
    content = [user.pk, user.username, user.password, *flags, granted]
    return Secret(hashlib.sha256(json.dumps(content).encode()).hexdigest())


def binding(user_id: int) -> Binding:
    """A seal belongs to one account."""
    return Binding(owner=("operator", str(user_id)), field="rights", generation=0)


def register() -> None:
    """Register the seals with the vault: they are counted, rotated and given up like all others."""
    column = columns.SealedColumn(RightsSeal, "sealed", ("user_id",), lambda row: binding(row.user_id))
    columns.register(column)
    forget.register(_SealsOfALostKey())


class _SealsOfALostKey:
    """`vault.forget.LostKeyHandler`: the accounts cannot sign in until they are sealed again."""

    label = "operators.RightsSeal"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Remove all seals of the key: operators are few."""
        with transaction.atomic():
            audit.lock()
            lost = list(User.objects.filter(rights_seal__in=columns.sealed_by(RightsSeal, key_id)))
            RightsSeal.objects.filter(user__in=lost).delete()
            for user in lost:
                audited.by_system("user.key_lost", user, actor=actor, key_id=key_id, then=REMOVED)
        return Counter({REMOVED: len(lost)} if lost else {})


def _granted(user: User) -> list[str]:
    """All permissions that the tables give the account: its own and those of its groups."""
    rows = Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct().order_by()
    return sorted(f"{app}.{codename}" for app, codename in rows.values_list("content_type__app_label", "codename"))
