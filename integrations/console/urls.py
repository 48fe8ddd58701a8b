"""The console's addresses. None names a provider: listings in the marketplace demand that."""

from __future__ import annotations

from django.urls import path

from integrations.console import views
from integrations.console.embed import page as embed

app_name = "console"
urlpatterns = [
    path("", views.landing, name="landing"),
    path("embed/", embed.page, name="embed"),
    path("embed/session", embed.session, name="embed-session"),
    path("admin/login/", views.sign_in, name="sign-in"),  # found before the admin's own, which is never reached
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.exposition, name="metrics"),
]
