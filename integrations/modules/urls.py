"""URLs of modules: `/modules/<app>/<kind>/<name>/`, also without the last slash: a redirect would lose a POST."""

from __future__ import annotations

from django.urls import path

from integrations.modules import views

app_name = "modules"
urlpatterns = [
    path("modules/<str:app_name>/<str:segment>/<str:name>", views.called),
    path("modules/<str:app_name>/<str:segment>/<str:name>/", views.called, name="called"),
]
