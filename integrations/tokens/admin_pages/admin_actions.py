"""Admin actions on credentials: refresh, mint, suspend; for selected rows of the list and for one on its page.

On the list an action is a POST. On the page of one credential it is a dialog that describes the effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from integrations.core.admin import after_dialog, operator
from integrations.core.errors import BadRequest
from integrations.tokens.admin_pages import commands
from integrations.tokens.models import Credential

Act = Callable[..., None]
_SHOWN = 3  # refusals with a message each; the others are counted

_REFRESH = ActionDialog(
    title="Refresh now",
    description="A worker asks HighLevel for a new pair, due or not. A suspended credential that HighLevel refreshes "
    "is active again; a token that was entered by hand is used again as it is.",
    form_class=None,
    form_submit_text="Refresh",
)
_MINT = ActionDialog(
    title="Mint again",
    description="A worker asks HighLevel for a new pair by the company's token. The location's own refresh token is "
    "left unused, so this also helps where that one is dead.",
    form_class=None,
    form_submit_text="Mint",
)
_SUSPEND = ActionDialog(
    title="Suspend",
    description="No call uses the credential and no worker refreshes it; its tokens are kept. This ends when an "
    "operator refreshes it, or when HighLevel reports that the app was installed again.",
    form_class=None,
    form_submit_text="Suspend",
)


class TokenActions:
    """Mixin of the admin of `Credential` with the operators' actions."""

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Operators who may change credentials."""
        return request.user.has_perm("tokens.change_credential")

    def has_refresh_permission(self, request: HttpRequest, object_id: Any) -> bool:
        """Every credential that is not revoked can be refreshed."""
        return self.has_operate_permission(request) and _row(object_id).state != Credential.State.REVOKED

    def has_mint_permission(self, request: HttpRequest, object_id: Any) -> bool:
        """Only where the company's token can mint now."""
        return self.has_operate_permission(request) and commands.can_be_minted(_row(object_id))

    def has_suspend_permission(self, request: HttpRequest, object_id: Any) -> bool:
        """Only active credentials can be suspended."""
        return self.has_operate_permission(request) and _row(object_id).state == Credential.State.ACTIVE

    @action(description="Refresh now", permissions=["operate"])  # type: ignore[untyped-decorator]
    def refresh_now(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Refresh the selected credentials."""
        _each(request, queryset, commands.refresh_now, "refreshes are being sent to a worker")

    @action(description="Mint again from the company's token", permissions=["operate"])  # type: ignore[untyped-decorator]
    def mint_again(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Mint the selected credentials from their companies' tokens."""
        _each(request, queryset, commands.mint_again, "mintings are being sent to a worker")

    @action(description="Suspend", permissions=["operate"])  # type: ignore[untyped-decorator]
    def suspend(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Suspend the selected credentials."""
        _each(request, queryset, commands.suspend, "credentials are suspended")

    @action(description="Refresh now", permissions=["refresh"], dialog=_REFRESH, icon="autorenew")  # type: ignore[untyped-decorator]
    def refresh_this(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Refresh the credential of this page."""
        return _one(request, object_id, commands.refresh_now, "The refresh is being sent to a worker.")

    @action(description="Mint again", permissions=["mint"], dialog=_MINT, icon="token")  # type: ignore[untyped-decorator]
    def mint_this(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Mint the credential of this page from its company's token."""
        return _one(request, object_id, commands.mint_again, "The minting is being sent to a worker.")

    @action(  # type: ignore[untyped-decorator]
        description="Suspend", permissions=["suspend"], dialog=_SUSPEND, icon="pause", variant=ActionVariant.DANGER
    )
    def suspend_this(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Suspend the credential of this page."""
        return _one(request, object_id, commands.suspend, "It is suspended.")


def _each(request: HttpRequest, queryset: QuerySet[Credential], act: Act, message: str) -> None:
    done, refused = 0, []
    for row in queryset.select_related("app"):
        try:
            act(row, actor=operator(request))
        except BadRequest as error:
            refused.append(str(error))
        else:
            done += 1
    if done:
        messages.success(request, f"{done} {message}.")
    for reason in refused[:_SHOWN]:
        messages.warning(request, f"{reason}.")
    if len(refused) > _SHOWN:
        messages.warning(request, f"… and {len(refused) - _SHOWN} more were not changed.")


def _one(request: HttpRequest, object_id: str, act: Act, message: str) -> HttpResponse:
    try:
        act(_row(object_id), actor=operator(request))
    except BadRequest as error:
        messages.warning(request, f"{error}.")
    else:
        messages.success(request, message)
    return after_dialog(request, reverse("admin:tokens_credential_change", args=[object_id]))


def _row(object_id: Any) -> Credential:
    return Credential.objects.select_related("app").get(pk=object_id)
