"""The page that asks for the second factor after the password: a code of the app, a recovery code, or a passkey."""

from __future__ import annotations

import math

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from integrations.core import clock
from integrations.core.errors import TooManyRequests
from integrations.core.sensitive import sensitive
from integrations.operators import audited
from integrations.operators.second_factor import factors, passkeys, pending, recovery_codes, totp
from integrations.operators.second_factor.pending import PendingSignIn
from integrations.operators.sign_in import back_off, finishing


def after_password(request: HttpRequest, user: User, then: str) -> HttpResponse:
    """Go on after the right password: to the page that asks for the factor, or in, for who has none."""
    if not factors.of(user).any:
        return finishing.finish(request, user, then, by="password")
    pending.begin(request.session, user, then, clock.now())
    return HttpResponseRedirect(reverse("operators:second-factor-check"))


@never_cache
@sensitive_post_parameters()
@sensitive()
def check(request: HttpRequest) -> HttpResponse:
    """`/admin/login/second-factor/`."""
    waiting = pending.read(request.session, clock.now())
    if waiting is None:
        return HttpResponseRedirect(reverse("admin:login"))
    if request.method != "POST":
        return _page(request, waiting)
    try:
        attempt = back_off.begin_code(waiting.user.pk, clock.now())
    except TooManyRequests as refused:
        wait = math.ceil(refused.retry_after or 1)
        response = _page(request, waiting, f"Too many attempts failed. Try again in {wait} seconds.", status=429)
        response["Retry-After"] = str(wait)
        return response
    by = _proven(request, waiting.user)
    if not by:
        audited.by_stranger(request, "second_factor.failed", waiting.user.get_username())
        return _page(request, waiting, "That was not accepted. A code works once and for half a minute.")
    back_off.succeeded(attempt)
    pending.end(request.session)
    response = finishing.finish(request, waiting.user, waiting.then, by=f"password and {by}")
    pending.mark_complete(request.session)
    return response


def _proven(request: HttpRequest, user: User) -> str:
    """The factor that the form proves, by its name; empty for none."""
    now = clock.now()
    if answer := request.POST.get("passkey", ""):
        return "passkey" if passkeys.accepts(request.session, user, answer, now) else ""
    code = request.POST.get("code", "")[:40]
    app = factors.of(user).totp
    if app is not None and totp.accepts(app, code, now):
        return "authenticator app"
    return "recovery code" if recovery_codes.accepts(user, code) else ""


def _page(request: HttpRequest, waiting: PendingSignIn, mistake: str = "", *, status: int = 200) -> HttpResponse:
    known = factors.of(waiting.user)
    context = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "factors": known,
        "mistake": mistake,
        "options": passkeys.options_to_use(request.session, waiting.user) if known.passkeys else "",
    }
    return render(request, "admin/operators/second_factor_check.html", context, status=status)
