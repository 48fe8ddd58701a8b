"""Admin pages of users, groups and sessions. The audit trail has each change, and no password.

A change of what an account may do, and of its password, ends its sessions.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, BaseDialogForm, UserChangeForm, UserCreationForm

from integrations.core import clock
from integrations.core.admin import AuditedAdmin, ReadOnlyAdmin, after_dialog
from integrations.core.sensitive import sensitive
from integrations.operators import audited, sessions
from integrations.operators.models import OperatorSession
from integrations.operators.rights import rights_seal
from integrations.operators.second_factor import factors

# Fields of an account that decide what it may do.
_RIGHTS = frozenset({"groups", "user_permissions", "is_active", "is_staff", "is_superuser"})

_RESET = ActionDialog(
    title="Reset the second factor",
    description="Removes the authenticator app, passkeys and recovery codes of this account, and ends its sessions. Be "
    "sure who asks for it: the next sign-in needs the password alone.",
    form_class=None,
    form_submit_text="Reset",
)

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, AuditedAdmin):  # type: ignore[type-arg]
    """Django's user admin in the admin theme."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions_detail = ("reset_second_factor",)
    list_display = ("username", "email", "roles", "second_factor", "is_active", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """The accounts with what the list says of each."""
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.prefetch_related("groups").annotate(has_factor=factors.exist(OuterRef("pk")))

    @display(description="may")
    def roles(self, user: User) -> str:
        """The roles of the account; a superuser may do everything."""
        names = ["everything (superuser)"] if user.is_superuser else sorted(group.name for group in user.groups.all())
        return ", ".join(names) or "nothing"

    @display(description="second factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        """Whether the sign-in asks for more than the password."""
        return bool(user.has_factor)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save the account. One that was changed past this application is not sealed by an edit of something else."""
        form.was_clean = bool(rights_seal.clean([obj])) if change else True
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save groups and permissions; when the rights changed, end the account's sessions."""
        super().save_related(request, form, formsets, change)
        if not change or form.was_clean:
            rights_seal.seal(form.instance)
        if change and _RIGHTS & set(form.changed_data):
            sessions.end_all(form.instance, but=request if form.instance == request.user else None)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete an account, whose seal counts no more."""
        rights_seal.withdraw(obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete the selected accounts, as `delete_model` does."""
        for user in queryset:
            rights_seal.withdraw(user)
        super().delete_queryset(request, queryset)

    def has_reset_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the operator may reset the second factors of others."""
        return request.user.has_perm("operators.reset_second_factor")

    @action(
        description="Reset second factor",
        permissions=["reset"],
        dialog=_RESET,
        variant=ActionVariant.DANGER,
        icon="lock_reset",
    )
    def reset_second_factor(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Remove all second factors of the account."""
        user = get_object_or_404(User, pk=object_id)
        factors.reset(user)
        audited.by_operator(request, "second_factor.reset", user)
        messages.success(request, f"The second factor of {user} is reset. The next sign-in needs the password alone.")
        return after_dialog(request, reverse("admin:auth_user_change", args=[object_id]))

    @sensitive()
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form of a new account. It has a password, which no report of an error shows."""
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    @sensitive()
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Change a password, end the sessions that began with the old one, and write the audit entry."""
        before = rights_seal.accounts().filter(pk=id).first()
        is_proven = before is not None and rights_seal.proven(before) is not None
        response: HttpResponse = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            user = rights_seal.accounts().get(pk=id)
            if is_proven:
                rights_seal.seal_password(user)
            sessions.end_all(user, but=request if user == request.user else None)
            self._record(request, "password_changed", user)
        return response


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, AuditedAdmin):
    """Django's group admin in the admin theme."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the permissions; when they changed, end the sessions of the group's operators."""
        members = rights_seal.clean(rights_seal.members(form.instance)) if change else []
        super().save_related(request, form, formsets, change)
        if change and "permissions" in form.changed_data:
            rights_seal.seal_all(members)
            for user in form.instance.user_set.exclude(pk=request.user.pk):
                sessions.end_all(user)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Delete a group, and seal what its operators may do without it."""
        members = rights_seal.clean(rights_seal.members(obj))
        super().delete_model(request, obj)
        rights_seal.seal_all(members)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Delete the selected groups, as `delete_model` does."""
        members = rights_seal.clean(User.objects.filter(groups__in=queryset).distinct())
        super().delete_queryset(request, queryset)
        rights_seal.seal_all(members)


@admin.register(OperatorSession)
class OperatorSessionAdmin(ReadOnlyAdmin):
    """Sessions that can be ended: one's own, and for owners those of everybody."""

    list_display = ("user", "started_at", "address", "browser", "ends", "this_one")
    search_fields = ("user__username", "address")
    search_help_text = "An operator or an address"
    list_select_related = ("user",)
    ordering = ("-started_at",)
    actions = ("end",)
    fields = ("user", "started_at", "address", "browser", "expire_date")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OperatorSession]:
        """Sessions of operators that go on; only the own ones without the permission to view all."""
        rows: QuerySet[OperatorSession] = super().get_queryset(request)
        mine = Q(session_key=sessions.stored_key(request.session.session_key or ""))
        rows = rows.filter(user__isnull=False, expire_date__gt=clock.now()).annotate(
            is_mine=ExpressionWrapper(mine, output_field=BooleanField())
        )
        if request.user.has_perm("operators.view_operatorsession"):
            return rows
        return rows.filter(user_id=request.user.pk or 0)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Every operator has sessions."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: OperatorSession | None = None) -> bool:
        """Every operator sees sessions; `get_queryset` says which."""
        return self.has_module_permission(request)

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Who sees a session may end it."""
        return self.has_module_permission(request)

    @display(description="until", ordering="expire_date")
    def ends(self, row: OperatorSession) -> str:
        """When it ends by itself."""
        return f"{row.expire_date:%Y-%m-%d %H:%M} UTC"

    @display(description="this one")
    def this_one(self, row: Any) -> str:
        """Whether it is the session that asks."""
        return "yes" if row.is_mine else "-"

    @action(description="End these sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[OperatorSession]) -> None:
        """End the selected sessions; their operators have to sign in again."""
        for row in queryset.select_related("user"):
            assert row.user is not None, "the list has sessions of operators only"
            audited.by_operator(request, "session.ended", row.user, address=row.address)
            row.delete()
            messages.success(request, f"The session of {row.user} from {row.address} has ended.")
