"""Root URLconf: includes the URLs of each room and each own app and sets the error pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from hlapp import app_discovery

urlpatterns = [
    path("", include("integrations.console.urls")),
    path("", include("integrations.installs.urls")),
    path("", include("integrations.webhooks.urls")),
    path("", include("integrations.modules.urls")),
    path("admin/", include("integrations.operators.urls")),
    path("admin/", admin.site.urls),
    *app_discovery.url_patterns(),
]

handler400 = "integrations.console.errors.responses.bad_request"
handler403 = "integrations.console.errors.responses.forbidden"
handler404 = "integrations.console.errors.responses.not_found"
handler500 = "integrations.console.errors.responses.failed"
