"""The reconnect link of a credential: the page where a person consents again or enters a new token."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode

from integrations.tenants import history
from integrations.tokens.admin_pages import consent_link
from integrations.tokens.models import Credential


def reconnect_url(row: Credential) -> str:
    """Absolute URL. For an OAuth grant the consent link of its installation, or our install page if there is none.

    For an entered token the operators' form, filled in except for the token.
    """
    if row.abilities.renews and (installation := history.find(row.app, row.tenant)) is not None:
        return consent_link.url(installation)
    if row.abilities.renews:
        return f"{settings.PUBLIC_URL}{reverse('install')}?{urlencode({'app': row.app.highlevel_id})}"
    known: dict[str, str | int] = {
        "app": row.app_id,
        "kind": row.kind,
        "user_type": row.user_type,
        "resource_id": row.resource_id,
    }
    return f"{settings.PUBLIC_URL}{reverse('admin:tokens_credential_add')}?{urlencode(known)}"
