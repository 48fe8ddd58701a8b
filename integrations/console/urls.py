"""URLs of the console. None names the vendor: marketplace listings demand neutral URLs.

Probes answer with and without the trailing slash, because many of those who call them follow no redirect.
"""

from __future__ import annotations

from django.urls import path

from integrations.console import views
from integrations.console.agency_view import install_result
from integrations.console.brand import brand_views
from integrations.console.embed import page as embed

app_name = "console"
urlpatterns = [
    path("", views.landing, name="landing"),
    path("brand/logo", brand_views.logo, name="brand-logo"),
    path("brand/colours.css", brand_views.colours, name="brand-colours"),
    path("install/done/<str:signed>", install_result.result, name="install-result"),
    path("embed/", embed.page, name="embed"),
    path("embed/session", embed.session, name="embed-session"),
    path("embed/uninstall", embed.uninstall, name="embed-uninstall"),
    path("healthz", views.healthz, name="healthz"),
    path("healthz/", views.healthz),
    path("readyz", views.readyz, name="readyz"),
    path("readyz/", views.readyz),
    path("metrics", views.exposition, name="metrics"),
    path("metrics/", views.exposition),
]
