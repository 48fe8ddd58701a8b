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
<table><tr><th>{{ tenant.id }}</th><td>{{ wide }}</td></tr></table>
{% endblock %}"""
# Its script counts the pages that it has seen, each with the user that hlapp.json names.
SCRIPTED = """{% extends "embed/base.html" %}{% block title %}Scripted{% endblock %}
{% block scripts %}<script src="/own/script.js" defer></script>{% endblock %}{% block main %}
<h1>Scripted</h1><p id="seen"></p><p class="quiet">Quiet words</p><p><a href="/own/scripted/">Again</a></p>
<form><label>Text <input name="text"></label> <button>Send</button></form>
<table><tr><th>Head</th><td>Cell</td></tr></table>
{% endblock %}"""
SCRIPT = """
let seen = 0;
async function show() {
  const { user } = await hlapp.json("/own/admins/");
  document.getElementById("seen").textContent = `${user} saw page ${++seen}`;
}
document.addEventListener("hlapp:page", show);
show();
"""
noted: list[str] = []


@embedded_page()
def notes(request: EmbeddedRequest) -> HttpResponse:
    if request.method == "POST":
        noted.append(request.POST["text"])
        audit("own.note", actor=request.tenant.actor, subject=request.tenant.tenant.audit_subject)
        return redirect(request.path)
    page = engines["django"].from_string(BODY)
    shown = {"tenant": request.tenant, "noted": ", ".join(noted), "wide": "wide" * 60}
    return HttpResponse(page.render(shown, request))


@embedded_page()
def scripted(request: EmbeddedRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(SCRIPTED).render({}, request))


def script(request: HttpRequest) -> HttpResponse:
    return HttpResponse(SCRIPT, content_type="text/javascript")


class Admins(EmbeddedPage):
    admins_only = True

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return JsonResponse({"user": self.request.tenant.user.user_id, "api": self.request.tenant.api.lane.value})


urlpatterns = [
    *ours,
    path("own/notes/", notes),
    path("own/admins/", Admins.as_view()),
    path("own/scripted/", scripted),
    path("own/script.js", script),
]
