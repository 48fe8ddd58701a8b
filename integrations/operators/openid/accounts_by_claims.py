"""The operator's account for an account of the identity provider, with the role that its groups give.

An account is found by issuer and subject, which never change; names may. A new one is made at the first sign-in. An
account that has a password is never taken over because it has the same name: make it without one (`operators create
--no-password`) to have it found by name.

A change of role seals the account's rights again (`operators.rights`), but only where the seal of before fits: a
sign-in never seals what another program wrote into the database.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from integrations.core import audit
from integrations.core.errors import BadRequest, ConsentDenied
from integrations.operators import audited, roles, sessions
from integrations.operators.models import OpenIdIdentity
from integrations.operators.openid.provider import OpenIdAccount
from integrations.operators.rights import rights_seal
from integrations.operators.roles import Role


def signed_in(account: OpenIdAccount) -> User:
    """The operator, with the role of the provider's groups. Raises ConsentDenied for an account without a role.

    Raises BadRequest when the name belongs to an account with a password, or the account is not active.
    """
    role = role_of(account.groups)
    with transaction.atomic():
        user = _found(account, may_make=role is not None)
        if role is None:
            _take_away(user)
        else:
            if not user.is_active:
                raise BadRequest("this account was deactivated here: ask an owner")
            if not rights_seal.clean([user]) or not rights_seal.fits(user):
                raise BadRequest("the rights of this account are not the sealed ones: see `manage.py operators seal`")
            _give(user, role)
            user = _fresh(user)
    if role is None:
        raise ConsentDenied("no group of this account gives a role: see OPERATOR_OIDC_ROLES")
    return user


def role_of(groups: frozenset[str]) -> Role | None:
    """The highest role that one of the groups gives."""
    given = {role for group, role in settings.OPERATOR_OIDC_ROLES.items() if group in groups}
    return next((role for role in reversed(Role) if role in given), None)


def _found(account: OpenIdAccount, *, may_make: bool) -> User:
    issuer = settings.OPERATOR_OIDC_ISSUER
    known = OpenIdIdentity.objects.filter(issuer=issuer, subject=account.subject).first()
    if known is not None:
        return _fresh(known.user)
    if not may_make:
        raise ConsentDenied("no group of this account gives a role: see OPERATOR_OIDC_ROLES")
    user = rights_seal.accounts().filter(username=account.name[:150]).first()
    if user is not None and (user.has_usable_password() or OpenIdIdentity.objects.filter(user=user).exists()):
        raise BadRequest("an account with this name exists already and is not the provider's: ask an owner")
    if user is None:
        user = User(username=account.name[:150], email=account.email[:254], is_staff=True)
        user.set_unusable_password()
        user.full_clean(exclude=["password"])
        user.save()
        rights_seal.seal(user)
        audit.record("user.added", actor="identity provider", subject=audited.subject(user))
    with rights_seal.changing(user):
        OpenIdIdentity.objects.create(user=user, issuer=issuer, subject=account.subject)
    audit.record("user.linked", actor="identity provider", subject=audited.subject(user), issuer=issuer)
    return _fresh(user)


def _fresh(user: User) -> User:
    return rights_seal.accounts().get(pk=user.pk)


def _give(user: User, role: Role) -> None:
    held = set(user.groups.filter(name__in=Role.values).values_list("name", flat=True))
    if held == {role.value} and user.is_staff:
        return
    user.groups.remove(*user.groups.filter(name__in=held - {role.value}))
    user.groups.add(roles.of(role))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    rights_seal.seal(user)
    sessions.end_all(user)
    changed = {"role": [sorted(held), role.value]}
    audit.record("user.role_changed", actor="identity provider", subject=audited.subject(user), changed=changed)


def _take_away(user: User) -> None:
    """The provider's groups give no role any more: nor does this account have one."""
    held = sorted(user.groups.filter(name__in=Role.values).values_list("name", flat=True))
    clean = rights_seal.clean([user])
    user.groups.remove(*user.groups.filter(name__in=held))
    rights_seal.seal_all(clean)
    sessions.end_all(user)
    changed = {"role": [held, ""]}
    audit.record("user.role_changed", actor="identity provider", subject=audited.subject(user), changed=changed)
