"""Seals the accounts that tests make with Django's own functions, as the application does for those that it makes.

An UPDATE (`QuerySet.update`, SQL) is not sealed: that is how a test plays somebody who writes to the database.
"""

from __future__ import annotations

from typing import Any

from django.db.models.signals import m2m_changed, post_save


def seal_what_tests_make() -> None:
    """Seal each account when it, its groups or their permissions are saved."""
    from django.contrib.auth.models import Group, User  # noqa: PLC0415 - models are not loaded before this

    from integrations.operators.rights import rights_seal  # noqa: PLC0415

    def saved(instance: User, update_fields: frozenset[str] | None, **_: Any) -> None:
        if update_fields not in ({"last_login"}, {"password"}):  # which a sign-in writes
            rights_seal.seal(instance)

    def related(instance: User | Group, action: str, **_: Any) -> None:
        if action.startswith("post_"):
            rights_seal.seal_all([instance] if isinstance(instance, User) else rights_seal.members(instance))

    post_save.connect(saved, sender=User, weak=False)
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(related, sender=through, weak=False)
