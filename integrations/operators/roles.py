"""Roles of operators: Django groups with the permissions that docs/operators.md lists, written after each `migrate`.

A role contains the one before it. `write` sets the permissions of these four groups exactly, so what an operator
changed by hand ends with the next migration. For other needs make groups of other names: nothing here touches them.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import TextChoices

from integrations.core import own_apps
from integrations.operators.rights import rights_seal


class Role(TextChoices):
    """A role, by the name of its group."""

    VIEWER = "viewer", "Viewer"
    SUPPORT = "support", "Support"
    OPERATOR = "operator", "Operator"
    OWNER = "owner", "Owner"


_VIEWER = """
core.view_workerprocess
tenants.view_app tenants.view_appversion tenants.view_company tenants.view_installation tenants.view_installationchange
tenants.view_location tokens.view_credential sync.view_plan sync.view_run sync.view_record jobs.view_run
jobs.view_schedule jobs.view_jobstate jobs.view_trigger jobs.view_write gateway.view_usage gateway.view_call
webhooks.view_event webhooks.view_mailbox webhooks.view_answers quota.view_usage quota.view_parked privacy.view_purge
operators.view_metrics core.view_bulkaction outbox.view_tenantoutbox outbox.view_entry problems.view_problem
exports.view_export upserts.view_upsert upserts.view_upsertrow modules.view_triggersubscription
"""
# What helps one tenant, and can be done again without harm.
_SUPPORT = """
tenants.change_installation tokens.change_credential sync.change_plan sync.change_run jobs.change_run
jobs.change_trigger jobs.change_write webhooks.change_event quota.change_parked
core.change_bulkaction outbox.change_entry problems.change_problem core.export_lists core.change_savedfilter
tenants.add_tenantnote
"""
# Personal data, calls by hand, what ends or deletes something, and what concerns all tenants.
_OPERATOR = """
operators.view_personal_data gateway.explore tenants.delete_installation tenants.delete_tenantnote
tenants.change_appversion tokens.add_credential tokens.delete_credential sync.delete_record sync.change_resourcechoice
jobs.change_schedule jobs.change_jobstate jobs.delete_trigger
webhooks.delete_event jobs.delete_schedule jobs.delete_run sync.delete_plan sync.delete_run
tenants.delete_installationchange
quota.delete_parked privacy.add_purge privacy.change_purge core.view_auditentry outbox.change_tenantoutbox
modules.delete_triggersubscription outbox.delete_entry exports.add_export exports.change_export exports.download_export
upserts.add_upsert upserts.change_upsert upserts.download_upsert console.change_operatoralert
"""
# Apps with their secrets, and who may do what.
_OWNER = """
tenants.add_app tenants.change_app tenants.delete_app auth.view_user auth.add_user auth.change_user auth.delete_user
auth.view_group auth.add_group auth.change_group auth.delete_group auth.view_permission
operators.view_operatorsession operators.reset_second_factor
"""

# What an own app keeps may be personal data, and its pages mask nothing by themselves.
_RUN_OWN_APPS = (Role.OPERATOR, Role.OWNER)
_LISTS = {Role.VIEWER: _VIEWER, Role.SUPPORT: _SUPPORT, Role.OPERATOR: _OPERATOR, Role.OWNER: _OWNER}


def permissions(role: Role) -> frozenset[str]:
    """The permissions of a role, those of the roles below included, as `app.codename`."""
    roles = list(Role)
    return frozenset(name for one in roles[: roles.index(role) + 1] for name in _LISTS[one].split())


def write(using: str = "default", **_signal: Any) -> None:
    """Make the four groups have exactly the permissions of their roles. `migrate` calls it when it is done."""
    known = {
        f"{row.content_type.app_label}.{row.codename}": row
        for row in Permission.objects.using(using).select_related("content_type")
    }
    if "operators.view_personal_data" not in known:
        return  # the migrations stopped before this room's
    own = [row for row in known.values() if row.content_type.app_label in own_apps.labels()]
    for role in Role:
        group, _ = Group.objects.using(using).get_or_create(name=role.value)
        wanted = [known[name] for name in permissions(role) if name in known]
        if role in _RUN_OWN_APPS:
            wanted += own
        if set(group.permissions.all()) != set(wanted):
            members = rights_seal.clean(rights_seal.members(group))
            group.permissions.set(wanted)
            rights_seal.seal_all(members)


def of(role: str) -> Group:
    """The group of a role. Raises ValueError for a name that is none."""
    return Group.objects.get(name=Role(role).value)
