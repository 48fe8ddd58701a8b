"""Root URLconf: includes each room's URLs and sets the error pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("integrations.console.urls")),
    path("", include("integrations.installs.urls")),
    path("", include("integrations.webhooks.urls")),
    path("admin/", include("integrations.operators.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "integrations.console.errors.responses.bad_request"
handler403 = "integrations.console.errors.responses.forbidden"
handler404 = "integrations.console.errors.responses.not_found"
handler500 = "integrations.console.errors.responses.failed"
