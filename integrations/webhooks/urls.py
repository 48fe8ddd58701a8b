"""URLs of the webhook endpoint: `/webhooks/` (the app that the event names) and `/webhooks/<app>/` (one of several)."""

from __future__ import annotations

from django.urls import path

from integrations.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("", views.receive, name="receive"),
    path("<str:app_name>/", views.receive, name="receive-for-app"),
]
