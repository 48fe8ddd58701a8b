"""Pages that sign operators in and out and change their passwords: Django's, counted and in the audit trail."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from integrations.core.sensitive import sensitive
from integrations.operators import audited, sessions
from integrations.operators.openid import provider
from integrations.operators.rights import rights_seal
from integrations.operators.sign_in import second_factor_page
from integrations.operators.sign_in.forms import SignInForm


class SignInView(LoginView):
    """The sign-in page. 429 with Retry-After while the account or the address has to wait (`back_off`)."""

    authentication_form = SignInForm
    template_name = "admin/operators/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the theme's page shows."""
        context: dict[str, Any] = {
            **admin.site.each_context(self.request),
            "title": "Sign in",
            "subtitle": None,
            "app_path": self.request.get_full_path(),
            "username": self.request.user.get_username(),
            "has_provider": provider.is_configured(),
            "provider_name": urlsplit(settings.OPERATOR_OIDC_ISSUER).hostname,
        }
        found = context | super().get_context_data(**kwargs)
        found[REDIRECT_FIELD_NAME] = found[REDIRECT_FIELD_NAME] or reverse("admin:index")
        return found

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """The password is right: ask for the second factor, or sign in who has none."""
        return second_factor_page.after_password(self.request, form.get_user(), self.get_success_url())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The page again, with the reason."""
        response = super().form_invalid(form)
        if wait := cast(SignInForm, form).retry_after:
            response.status_code = 429
            response["Retry-After"] = str(wait)
        return response


@sensitive()
def sign_in(request: HttpRequest) -> HttpResponse:
    """`/admin/login/`: the page, or the dashboard for those who have signed in."""
    if request.method == "GET" and admin.site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    return cast(HttpResponse, SignInView.as_view()(request))


def sign_out(request: HttpRequest) -> HttpResponse:
    """`/admin/logout/`."""
    if request.method == "POST" and isinstance(request.user, User):
        audited.by_itself(request, "sign_out", request.user)
    return admin.site.logout(request)


@sensitive()
def password_change(request: HttpRequest) -> HttpResponse:
    """`/admin/password_change/`: an operator changes the own password."""
    response = admin.site.password_change(request)
    if request.method == "POST" and response.status_code == 302 and isinstance(request.user, User):
        rights_seal.seal_password(request.user)
        sessions.end_all(request.user, but=request)
        audited.by_itself(request, "user.password_changed", request.user)
    return response
