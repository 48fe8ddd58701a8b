"""URLs of hlapp with two pages inside HighLevel beside them, as an own app defines them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template import engines
from django.urls import path

from hlapp.api import EmbeddedPage, EmbeddedRequest, audit, embedded_page
from hlapp.urls import urlpatterns as ours

BODY = """{% extends "embed/base.html" %}{% block title %}Notes{% endblock %}{% block main %}
<h1>Notes of {{ tenant.id }}</h1><p>{{ noted }}</p>
<form method="post"><input name="text" aria-label="Text"><button>Note</button></form><a href="/own/admins/">Admins</a>
{% endblock %}"""
noted: list[str] = []


@embedded_page()
def notes(request: EmbeddedRequest) -> HttpResponse:
    if request.method == "POST":
        noted.append(request.POST["text"])
        audit("own.note", actor=request.tenant.actor, subject=request.tenant.tenant.audit_subject)
        return redirect(request.path)
    page = engines["django"].from_string(BODY)
    return HttpResponse(page.render({"tenant": request.tenant, "noted": ", ".join(noted)}, request))


class Admins(EmbeddedPage):
    admins_only = True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return JsonResponse({"user": self.request.tenant.user.user_id, "api": self.request.tenant.api.lane.value})


urlpatterns = [*ours, path("own/notes/", notes), path("own/admins/", Admins.as_view())]
