"""Sign-in through the identity provider: the way there, and the callback.

The provider answers for the second factor.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.core import clock
from integrations.core.client_address import client_address
from integrations.core.errors import IntegrationError
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.operators import audited
from integrations.operators.openid import accounts_by_claims, provider
from integrations.operators.second_factor import pending
from integrations.operators.sign_in import back_off, finishing
from integrations.quota import thread_budgets

log = structlog.get_logger(__name__)

_KEY = "operators.openid"
_LIFETIME = timedelta(minutes=10)


@never_cache
@require_safe
@sensitive()
def begin(request: HttpRequest) -> HttpResponse:
    """`/admin/login/openid/`: to the provider. The session keeps state, nonce and the verifier of PKCE.

    A link, because the content security policy lets no form lead to another host.
    """
    if not provider.is_configured():
        raise Http404
    back_off.begin_openid(request)
    then, now = request.GET.get("next", ""), clock.now()
    if not url_has_allowed_host_and_scheme(then, allowed_hosts=None):
        then = reverse("admin:index")
    kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    verifier = Secret(kept["verifier"])
    url = provider.address(
        redirect_uri=_callback(), state=kept["state"], nonce=kept["nonce"], verifier=verifier, now=now
    )
    request.session[_KEY] = {**kept, "then": then, "at": int(now.timestamp())}
    if not request.user.is_authenticated:
        request.session.set_expiry(_LIFETIME)  # anybody makes such a row
    return HttpResponseRedirect(url)


@never_cache
@require_safe
@sensitive()
def callback(request: HttpRequest) -> HttpResponse:
    """`/admin/login/openid/callback/`: the provider sends the browser back here."""
    if not provider.is_configured():
        raise Http404
    back_off.SIGN_INS.count(client_address(request))
    with thread_budgets.OUTBOUND.one(is_known=_began_here(request)):  # first: who has to wait keeps the state
        return _signed_in(request)


def _signed_in(request: HttpRequest) -> HttpResponse:
    kept = _taken(request)
    if kept is None or request.GET.get("error") or not request.GET.get("code"):
        return _refused(request, "The sign-in was cancelled, took too long, or began in another browser.")
    try:
        found = provider.account(
            Secret(request.GET["code"]),
            redirect_uri=_callback(),
            nonce=kept["nonce"],
            verifier=Secret(kept["verifier"]),
            now=clock.now(),
        )
        user = accounts_by_claims.signed_in(found)
    except IntegrationError as error:
        log.warning("openid.refused", code=error.code, error=str(error), **error.context)
        audited.by_stranger(request, "sign_in.failed", "", by="identity provider", why=str(error)[:200])
        return _refused(request, f"{str(error)[:1].upper()}{str(error)[1:]}.")
    response = finishing.finish(request, user, kept["then"], by="identity provider")
    pending.mark_complete(request.session)
    return response


def _taken(request: HttpRequest) -> dict[str, Any] | None:
    """What `begin` kept, if it is this browser's and recent. It is taken out, so that it works once."""
    kept = request.session.get(_KEY) if _began_here(request) else None
    request.session.pop(_KEY, None)
    request.session.set_expiry(None)
    return kept


def _began_here(request: HttpRequest) -> bool:
    """Whether the session has the state that the provider sent back, and not for too long."""
    kept = request.session.get(_KEY)
    if not isinstance(kept, dict) or clock.now().timestamp() - kept["at"] > _LIFETIME.total_seconds():
        return False
    return constant_time_compare(request.GET.get("state", ""), kept["state"])


def _refused(request: HttpRequest, why: str) -> HttpResponse:
    messages.error(request, why)
    return HttpResponseRedirect(reverse("admin:login"))


def _callback() -> str:
    return str(settings.PUBLIC_URL) + reverse("operators:openid-callback")
