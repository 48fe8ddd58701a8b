"""The end of every way to sign in: the session begins, the trail has it, the browser is remembered."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login as begin_session
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from integrations.operators import audited, sessions
from integrations.operators.sign_in import back_off


def finish(request: HttpRequest, user: User, then: str, *, by: str) -> HttpResponse:
    """Begin the session of an operator who has proven who it is, and go to the page `then`."""
    sessions.describe(request)
    begin_session(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    audited.by_itself(request, "sign_in.succeeded", user, by=by)
    response = HttpResponseRedirect(then)
    back_off.remember(request, response, user.get_username())
    return response
