"""The app that an operator chose on a form."""

from __future__ import annotations

from django.http import HttpRequest

from integrations.tenants.models import App


def of_request(request: HttpRequest) -> tuple[list[App], App | None]:
    """All apps by name, and the one whose number is in the field `app`: the first one where it names none."""
    apps = list(App.objects.order_by("name"))
    chosen = (request.POST if request.method == "POST" else request.GET).get("app", "")
    return apps, next((one for one in apps if str(one.pk) == chosen), apps[0] if apps else None)
