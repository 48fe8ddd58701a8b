"""`@embedded_page`: decorator that makes a view of an own app a page inside HighLevel; `EmbeddedPage` for classes.

A frame sends no cookies that a page could trust, so the user comes with the ticket (`sso_session`) alone. The browser
opens the page without one, and gets an empty shell that any white-label host may frame. The shell's script
(`hlapp/static/site/frame.js`) obtains a ticket and asks for the same URL again with it, then follows links and sends
forms in the same way. That is all the protection against CSRF that is needed: no other site can make a browser send
the ticket, and nothing but the ticket counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.vary import vary_on_headers

from integrations.console import embed_limits
from integrations.console.embed import embedded_access
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.console.errors.middleware import FRAMED
from integrations.core.errors import InstallGone
from integrations.core.tenant import Tenant
from integrations.gateway.facade import v2
from integrations.gateway.for_tenant import tenant_api
from integrations.tenants import marketplace
from integrations.tenants.models import App

P = ParamSpec("P")


@dataclass(frozen=True)
class EmbeddedTenant:
    """The tenant of a request, verified: the app is installed and claimed there, and `user` belongs to it."""

    app: App
    tenant: Tenant
    user: EmbeddedUser

    @property
    def id(self) -> str:
        """HighLevel's locationId or companyId."""
        return self.tenant.id

    @property
    def actor(self) -> str:
        """The user as the `actor` of audit entries."""
        return f"user {self.user.user_id}"

    @cached_property
    def api(self) -> v2.Api:
        """API 2.0 for the tenant. Its calls have precedence over those of jobs."""
        return tenant_api(self.app, self.tenant)


class EmbeddedRequest(HttpRequest):
    """A request of a page inside HighLevel, as a decorated view gets it."""

    tenant: EmbeddedTenant


Page = Callable[Concatenate[EmbeddedRequest, P], HttpResponseBase]
Decorated = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def embedded_page(*, admins_only: bool = False) -> Callable[[Page[P]], Decorated[P]]:
    """Make a view a page inside HighLevel: `request.tenant` has the tenant with its API, and the verified user.

    The view is called only for a user of a tenant where the app is installed and claimed at this moment. Others get 401
    (no valid ticket), 403 (dismissed, unclaimed, or no administrator with `admins_only`), 404 (not installed) or 429
    with Retry-After (beyond the rate limit). `?app=` chooses the marketplace app, as at `/embed/`. Templates extend
    `embed/base.html`.
    """

    def decorate(view: Page[P]) -> Decorated[P]:
        @csrf_exempt  # the ticket in the Authorization header is the proof; cookies are none
        @never_cache
        @vary_on_headers("Authorization")
        @wraps(view)
        def page(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            request.META[FRAMED] = True
            embed_limits.embed_request(request)
            if request.method in ("GET", "HEAD") and not embedded_access.has_ticket(request):
                return _shell(request)
            embedded = cast(EmbeddedRequest, request)
            embedded.tenant = _tenant(embedded_access.user_of(request), admins_only=admins_only)
            with embed_limits.embed_call(embedded.tenant.app.pk, embedded.tenant.tenant):
                return view(embedded, *args, **kwargs)

        return cast(Decorated[P], page)  # the stubs of `wraps` keep the type of its argument

    return decorate


class EmbeddedPage(View):
    """As `embedded_page`, for class-based views: put it first among the bases. `request` is an `EmbeddedRequest`."""

    admins_only = False
    request: EmbeddedRequest

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Django's `as_view`, for embedded users."""
        admins_only = bool(initkwargs.get("admins_only", cls.admins_only))
        return embedded_page(admins_only=admins_only)(super().as_view(**initkwargs))


def _shell(request: HttpRequest) -> HttpResponse:
    """The page without any tenant's data."""
    return render(request, "embed/shell.html", {"app": marketplace.find(request.GET.get("app"))})


def _tenant(user: EmbeddedUser, *, admins_only: bool) -> EmbeddedTenant:
    embed_limits.embed_page(user.app_id, user.user_id)
    now = embedded_access.standing(user)
    if not now.is_installed:
        raise InstallGone(f"the app is not installed on {user.tenant}")
    if not now.is_claimed:
        raise PermissionDenied(f"no administrator of {user.tenant} has opened the app yet")
    if admins_only and not user.is_admin:
        raise PermissionDenied("only administrators may open this page")
    app = now.installation.app if now.installation else App.objects.get(pk=user.app_id)
    return EmbeddedTenant(app, user.tenant, user)
