"""The page on which an operator makes and removes the own second factors. Each form names what it does in `do`.

Removing a factor, and new recovery codes, need the password again, so that an open browser is not enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from integrations.core import clock, texts
from integrations.core.errors import IntegrationError, TooManyRequests
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.operators import audited, sessions
from integrations.operators.models import Passkey, TotpSecret
from integrations.operators.rights import rights_seal
from integrations.operators.second_factor import factors, passkeys, pending, recovery_codes, totp
from integrations.operators.sign_in import back_off

Done = HttpResponse | None


@sensitive_post_parameters()
@sensitive()
def enrolment(request: HttpRequest) -> HttpResponse:
    """`/admin/second-factor/`."""
    assert isinstance(request.user, User), "admin_view admits users only"
    if request.method == "POST":
        act = _ACTS.get(request.POST.get("do", ""))
        try:
            answer = act(request, request.user) if act else None
        except IntegrationError as error:
            messages.error(request, f"{error}.".capitalize())
            answer = None
        return answer or HttpResponseRedirect(reverse("operators:second-factor"))
    return _page(request, request.user)


def _begin_app(request: HttpRequest, user: User) -> Done:
    if factors.of(user).totp is None:
        totp.begin(user, clock.now())
    return None


def _confirm_app(request: HttpRequest, user: User) -> Done:
    row = TotpSecret.objects.filter(user=user, confirmed_at=None).first()
    if row is None or not totp.accepts(row, request.POST.get("code", "")[:40], clock.now()):
        messages.error(request, "The code does not fit. Check the clock of the phone, and enter the newest code.")
        return None
    with rights_seal.changing(user):
        TotpSecret.objects.filter(pk=row.pk).update(confirmed_at=clock.now())
    return _added(request, user, "authenticator app")


def _add_passkey(request: HttpRequest, user: User) -> Done:
    made = passkeys.create(
        request.session,
        user,
        request.POST.get("passkey", ""),
        name=request.POST.get("name", ""),
        now=clock.now(),
    )
    return _added(request, user, "passkey", name=made.name)


def _added(request: HttpRequest, user: User, factor: str, **detail: Any) -> Done:
    """A factor was proven: this session has one, the others end, and the first factor brings recovery codes."""
    pending.mark_complete(request.session)
    sessions.end_all(user, but=request)
    audited.by_itself(request, "second_factor.added", user, factor=factor, **detail)
    messages.success(request, f"The {factor} works from now on.")
    return None if recovery_codes.left(user) else _codes(request, user)


def _remove_app(request: HttpRequest, user: User) -> Done:
    if _password_fits(request, user):
        with rights_seal.changing(user):
            TotpSecret.objects.filter(user=user).delete()
        _removed(request, user, "authenticator app")
    return None


def _remove_passkey(request: HttpRequest, user: User) -> Done:
    number = texts.whole(request.POST.get("passkey", ""))
    row = None if number is None else Passkey.objects.filter(user=user, pk=number).first()
    if row is not None and _password_fits(request, user):
        with rights_seal.changing(user):
            row.delete()
        _removed(request, user, "passkey", name=row.name)
    return None


def _removed(request: HttpRequest, user: User, factor: str, **detail: Any) -> None:
    audited.by_itself(request, "second_factor.removed", user, factor=factor, **detail)
    messages.success(request, f"The {factor} is removed.")


def _new_codes(request: HttpRequest, user: User) -> Done:
    return _codes(request, user) if factors.of(user).lasting and _password_fits(request, user) else None


def _codes(request: HttpRequest, user: User) -> HttpResponse:
    codes = recovery_codes.renew(user)
    audited.by_itself(request, "second_factor.recovery_codes_made", user)
    return _page(request, user, codes=codes)


def _password_fits(request: HttpRequest, user: User) -> bool:
    """Whether the form has the own password; an account without one has none to give. Raises TooManyRequests."""
    if not user.has_usable_password():
        return True
    try:
        attempt = back_off.begin_code(user.pk, clock.now())
    except TooManyRequests as refused:
        messages.error(request, f"Too many attempts failed. Try again in {refused.retry_after or 1:.0f} seconds.")
        return False
    if not user.check_password(request.POST.get("password", "")):
        messages.error(request, "That is not your password: nothing was changed.")
        return False
    back_off.succeeded(attempt)
    return True


_ACTS: dict[str, Callable[[HttpRequest, User], Done]] = {
    "begin-app": _begin_app,
    "confirm-app": _confirm_app,
    "remove-app": _remove_app,
    "add-passkey": _add_passkey,
    "remove-passkey": _remove_passkey,
    "new-codes": _new_codes,
}


def _page(request: HttpRequest, user: User, *, codes: list[Secret] | None = None) -> HttpResponse:
    begun = TotpSecret.objects.filter(user=user, confirmed_at=None).first()
    context = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "factors": factors.of(user),
        "is_required": settings.OPERATOR_SECOND_FACTOR == "required",
        "has_password": user.has_usable_password(),
        "qr_code": totp.qr_code(begun).reveal() if begun else "",
        "secret": _in_groups(totp.secret(begun)) if begun else "",
        "options": passkeys.options_to_create(request.session, user),
        "codes": [code.reveal() for code in codes or ()],
    }
    response = render(request, "admin/operators/second_factor.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _in_groups(secret: Secret) -> str:
    text = secret.reveal()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
