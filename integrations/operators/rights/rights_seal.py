"""Seals over the rights of operators, and over what they sign in with.

An account's password hash, its flags, all its permissions, its second factors and its link to an identity provider
(`ways_in`) are sealed by the vault, bound to the account. The seal is checked when the operator signs in and at every
request, and the permissions are taken from it (`sealed_backend`). So a password hash, a flag, a group or a permission
that another program wrote into the database gives nothing: an account whose seal does not fit cannot sign in, and its
sessions end. Factors and link are compared with their rows at each step of a sign-in (`fits`). A row that was added,
changed, moved or removed there ends in a refusal, and never in a sign-in without a factor.

Whatever changes an account here seals it again: `seal` and `seal_password`, and `changing` for factors and link. For an
account that was changed by SQL, or that lost its key, there is `manage.py operators seal NAME`, which shows what it
seals.

**Freshness.** Each seal is an entry of the audit trail, and is bound to the entry's number. An account with a newer
entry has a newer seal, so an earlier row that is put back together with its seal opens nothing. The trail is
used and no counter, because a counter is one more row that can be put back with the others. The trail cannot: its
entries are chained and sealed, and its heads leave the database. When entries are pruned, all accounts are sealed again
first, and a seal from before the beginning of the trail is refused. So a deleted account does not come back either.

**What remains.** Who deletes the newer entries too can put an account back. `manage.py audit verify` reports that, and
exported heads prove it. Right after the update that began to seal factors, seals have the number of the trail's end.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import structlog
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from integrations.core import audit
from integrations.core.audit import maintenance
from integrations.core.errors import BadRequest, SealBroken
from integrations.core.models import AuditEntry, AuditHead
from integrations.core.secret import Secret
from integrations.operators import audited
from integrations.operators.models import RightsSeal
from integrations.operators.rights import ways_in
from integrations.vault import columns, forget
from integrations.vault.seal import Binding, unseal
from integrations.vault.seal import seal as seal_text

REMOVED = "must be sealed again"
_SUBJECT = "sealed account:"  # and the primary key: a name may change
log = structlog.get_logger(__name__)


def accounts() -> QuerySet[User]:
    """Accounts with their seals, and with the answer to whether there is a newer seal: all that `proven` needs."""
    return _accounts().all()


@cache  # built once: each request of an operator asks for one account
def _accounts() -> QuerySet[User]:
    subject = Concat(Value(_SUBJECT), Cast(OuterRef("pk"), CharField()))
    newer = AuditEntry.objects.filter(subject=subject, number__gt=OuterRef("rights_seal__number"))
    pruned = AuditHead.objects.filter(base_number__gt=0, base_number__gte=OuterRef("rights_seal__number"))
    return User.objects.select_related("rights_seal").annotate(is_superseded=Exists(newer.order_by()) | Exists(pruned))


def seal(user: User, *, vouch: bool = False) -> list[str]:
    """Seal the rights that the account has now in the database. Returns its permissions.

    Factors and link stay what the seal of before says, which the caller has proven (`clean`). A new account has none.
    `vouch`: the caller answers for those in the database, too. Raises SealBroken when VAULT_KEYS is not the right ring.
    """
    account = User.objects.get(pk=user.pk)
    before = RightsSeal.objects.filter(user=account).first()
    factors, identity = ways_in.NO_FACTORS, ways_in.NO_IDENTITY
    if vouch:
        factors, identity = ways_in.factors(account.pk), ways_in.identity(account.pk)
    elif before is not None:
        factors, identity = before.factors, before.identity
    granted = _granted(account)
    _store(account, RightsSeal(permissions=granted, factors=factors, identity=identity))
    return granted


def seal_password(user: User) -> None:
    """Seal the password of an account that was proven when `user` was loaded. All else stays what its seal says.

    The tables are not read: a group that another program has written for the account must not get in this way.
    """
    _store(user, user.rights_seal)


@contextmanager
def changing(user: User) -> Iterator[None]:
    """A transaction that changes second factors or the link to a provider. At its end those are sealed, and the rights
    stay what the seal says.

    Raises BadRequest, before the change, when rights, factors or link in the database are not the sealed ones.
    """
    with transaction.atomic():
        audit.lock()  # two changes at once would each seal the account without the other
        account = accounts().get(pk=user.pk)
        if not fits(account):
            raise BadRequest(f"what {user} signs in with is not what was sealed: see `manage.py operators seal`")
        yield
        found: RightsSeal = account.rights_seal
        found.factors, found.identity = ways_in.factors(user.pk), ways_in.identity(user.pk)
        _store(account, found)


def without_factors(user: User) -> None:
    """Seal that the account has no second factor, which the caller has removed. Nothing for an account whose rights are
    not proven: it stays refused.
    """
    account = accounts().get(pk=user.pk)
    if proven(account) is not None:
        account.rights_seal.factors = ways_in.NO_FACTORS
        _store(account, account.rights_seal)


def withdraw(user: User) -> None:
    """Record that no seal of this account counts any more: it is deleted."""
    audit.record("user.seal_withdrawn", actor="system", subject=f"{_SUBJECT}{user.pk}", name=user.get_username())


def seal_fresh(*_: object) -> None:
    """Seal again each account whose seal fits. For `audit prune`, which deletes the entries that older seals name."""
    for account in accounts():
        if proven(account) is not None:
            _store(account, account.rights_seal)


def clean(users: Iterable[User]) -> list[User]:
    """Those of the accounts whose rights in the tables are what their seal says. Ask this before a change, and seal
    only these after it: others were changed past this application.
    """
    loaded = accounts().filter(pk__in=[user.pk for user in users])
    return [user for user in loaded if proven(user) == frozenset(_granted(user))]


def seal_all(users: Iterable[User]) -> None:
    """Seal each of these accounts: their group has other permissions."""
    for user in users:
        seal(user)


def members(group: Group) -> list[User]:
    """The accounts of a group."""
    return list(User.objects.filter(groups=group).order_by("pk"))


def proven(user: User) -> frozenset[str] | None:
    """The permissions that the account's seal proves, as `app.codename`. None when there is no seal that fits, or a
    newer one. `user` comes from `accounts`, or is loaded again from there.
    """
    if not hasattr(user, "is_superseded"):
        return proven(again) if (again := accounts().filter(pk=user.pk).first()) else None
    found: RightsSeal | None = getattr(user, "rights_seal", None)
    if found is None:
        return None
    if user.is_superseded:
        log.warning("operators.seal_superseded", user=user.pk, number=found.number)
        return None
    try:
        stored = unseal(found.sealed, binding(user.pk, found.number)).reveal()
    except SealBroken as error:
        log.warning("operators.seal_broken", user=user.pk, reason=str(error))
        return None
    now = digest(user, found.permissions, found.factors, found.identity)
    return frozenset(found.permissions) if hmac.compare_digest(stored, now.reveal()) else None


def fits(user: User) -> bool:
    """Whether the account is proven, and its second factors and its link in the database are the sealed ones."""
    return not mismatch(user)


def mismatch(user: User) -> str:
    """What of the account in the database is not what was sealed: `rights`, `factors`, `identity`; empty for none."""
    account = accounts().filter(pk=user.pk).first()
    if account is None or proven(account) is None:
        return "rights"
    found: RightsSeal = account.rights_seal
    if found.factors != ways_in.factors(user.pk):
        return "factors"
    return "identity" if found.identity != ways_in.identity(user.pk) else ""


def refused() -> list[User]:
    """Accounts that might sign in but for their seal."""
    return [user for user in accounts().filter(is_active=True, is_staff=True).order_by("pk") if not fits(user)]


def digest(user: User, granted: list[str], factors: str, identity: str) -> Secret:
    """What is sealed. A digest, so that the hash of the password is in one place only."""
    flags = [user.is_active, user.is_staff, user.is_superuser]
    content = [user.pk, user.username, user.password, *flags, granted, factors, identity]
    return Secret(hashlib.sha256(json.dumps(content).encode()).hexdigest())


def binding(user_id: int, number: int) -> Binding:
    """A seal belongs to one account, and to one entry of the audit trail."""
    return Binding(owner=("operator", str(user_id)), field="rights", generation=number)


def register() -> None:
    """Register the seals with the vault: they are counted, rotated and given up like all others."""
    column = columns.SealedColumn(
        RightsSeal, "sealed", ("user_id", "number"), lambda row: binding(row.user_id, row.number)
    )
    columns.register(column)
    forget.register(_SealsOfALostKey())
    maintenance.before_pruning(seal_fresh)


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


def _store(user: User, content: RightsSeal) -> None:
    """Seal the account as `user` has it, with the permissions, factors and link of `content`."""
    with transaction.atomic():
        entry = audit.record("user.sealed", actor="system", subject=f"{_SUBJECT}{user.pk}", name=user.get_username())
        text = digest(user, content.permissions, content.factors, content.identity)
        values = {name: getattr(content, name) for name in ("permissions", "factors", "identity")}
        values |= {"number": entry.number, "sealed": seal_text(text, binding(user.pk, entry.number))}
        RightsSeal.objects.update_or_create(user=user, defaults=values)


def _granted(user: User) -> list[str]:
    """All permissions that the tables give the account: its own and those of its groups."""
    rows = Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct().order_by()
    return sorted(f"{app}.{codename}" for app, codename in rows.values_list("content_type__app_label", "codename"))
