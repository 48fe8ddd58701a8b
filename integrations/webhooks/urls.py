"""URLs of the webhook endpoint: `/webhooks/` (the app that the event names) and `/webhooks/<app>/` (one of several).

Both answer without the trailing slash too: a redirect would lose a POST.
"""

from __future__ import annotations

from django.urls import path

from integrations.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("webhooks", views.receive),
    path("webhooks/", views.receive, name="receive"),
    path("webhooks/<str:app_name>", views.receive),
    path("webhooks/<str:app_name>/", views.receive, name="receive-for-app"),
]
