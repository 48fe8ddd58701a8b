"""Accounts of operators: made, given a role, unlocked. Every change is in the audit trail."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.operators import audited, roles, sessions
from integrations.operators.rights import rights_seal
from integrations.operators.second_factor import factors
from integrations.operators.sign_in import back_off


@sensitive()
def create(name: str, role: str, *, email: str = "", password: Secret | None) -> User:
    """Make an operator with a role. Without a password only sign-in through the identity provider works.

    Raises BadRequest for a name that is taken or not allowed, and for a weak password.
    """
    user = User(username=name, email=email, is_staff=True)
    try:
        user.full_clean(exclude=["password"])
        if password is not None:
            validate_password(password.reveal(), user)
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from None
    user.set_password(password.reveal() if password is not None else None)
    with transaction.atomic():
        user.save()
        user.groups.add(roles.of(role))
        rights_seal.seal(user)
        audited.by_command("user.added", user, role=role)
    return user


def give_role(user: User, role: str) -> None:
    """Give an operator this role in place of others, and end the sessions. Groups that are no roles stay.

    Raises BadRequest when the account's rights in the database are not the sealed ones: the new seal would vouch for
    what another program wrote there.
    """
    if not rights_seal.clean([user]):
        raise BadRequest(f"the rights of {user} are not the sealed ones: manage.py operators seal {user} shows them")
    others = Group.objects.filter(name__in=roles.Role.values).exclude(name=role)
    with transaction.atomic():
        before = sorted(user.groups.filter(name__in=roles.Role.values).values_list("name", flat=True))
        user.groups.remove(*others)
        user.groups.add(roles.of(role))
        User.objects.filter(pk=user.pk).update(is_staff=True, is_active=True, is_superuser=False)
        rights_seal.seal(user)
        sessions.end_all(user)
        audited.by_command("user.role_changed", user, changed={"role": [before, role]})


def seal(user: User) -> dict[str, object]:
    """Seal the rights, second factors and link to a provider that the account has in the database, and end its
    sessions. Returns the rights that were sealed.

    For an account that was changed by SQL, or whose key is lost. The caller vouches for them.
    """
    with transaction.atomic():
        granted = rights_seal.seal(user, vouch=True)
        sessions.end_all(user)
        flags = {"is_active": user.is_active, "is_staff": user.is_staff, "is_superuser": user.is_superuser}
        audited.by_command("user.rights_sealed", user, permissions=granted, **flags)
    return {**flags, "permissions": granted}


def unlock(user: User) -> None:
    """End the back-off after failed sign-ins."""
    back_off.unlock(user.get_username())
    audited.by_command("user.unlocked", user)


def reset_second_factor(user: User) -> None:
    """Remove all second factors and end the sessions. The next sign-in needs the password alone."""
    factors.reset(user)
    audited.by_command("second_factor.reset", user)


def find(name: str) -> User:
    """The account of this name. Raises BadRequest."""
    user = User.objects.filter(username=name).first()
    if user is None:
        raise BadRequest(f"there is no operator {name}: see `manage.py operators list`")
    return user


def role_of(user: User) -> str:
    """The highest role, `superuser`, or empty."""
    if user.is_superuser:
        return "superuser"
    held = set(user.groups.values_list("name", flat=True))
    return next((role.value for role in reversed(roles.Role) if role.value in held), "")
