"""Mints a location's first token at its first call, from the token of a company that has the app on all locations.

The reconciler mints for locations too, but a call need not wait for it: a bulk install of an agency reaches locations
that were created a second ago (FACTS 1.6, 1.7). The vendor decides whether the location belongs to the company; after a
refusal no row is kept. After a success the company's next reconciliation is due at once and registers the
location.
"""

from __future__ import annotations

import structlog

from integrations.core import clock
from integrations.core.errors import BadRequest, GrantRevoked, InstallGone, RequestRejected
from integrations.core.tenant import UserType
from integrations.quota.permits.lanes import Lane
from integrations.tenants.credential_kinds import CredentialApi
from integrations.tenants.models import Installation, Location
from integrations.tokens import store
from integrations.tokens.access import access_token
from integrations.tokens.access_cache import AccessToken
from integrations.tokens.models import Credential, CredentialKey

_OTHER = {CredentialApi.ONE: CredentialApi.TWO, CredentialApi.TWO: CredentialApi.ONE}
log = structlog.get_logger(__name__)


def access(key: CredentialKey, *, lane: Lane, refused: int | None = None) -> AccessToken:
    """As `access_token.get`; mints for a location without a credential from its company's. Raises the same errors."""
    try:
        return access_token.get(key, lane=lane, refused=refused)
    except InstallGone as gone:
        parent = _bulk_install(key)
        if parent is None:
            raise _other_api(key) or gone from None
        return _first(key, parent, gone, lane=lane)


def _other_api(key: CredentialKey) -> BadRequest | None:
    """The error for a tenant whose only credential is for the other API, None for one without any.

    Not InstallGone: by that a job's run would take the tenant for uninstalled.
    """
    others = Credential.objects.filter(**{**key.columns, "api": _OTHER[CredentialApi(key.api)]})
    if not others.exclude(state=Credential.State.REVOKED).exists():
        return None
    if key.api == CredentialApi.ONE:
        return BadRequest(
            f"{key.tenant} has no API 1.0 key, and its token for API 2.0 opens nothing of API 1.0: call an operation "
            "of API 2.0, or enter its key beside the token (`manage.py connect --kind api1`)"
        )
    return BadRequest(
        f"{key.tenant} is connected by an API 1.0 key, which opens nothing of API 2.0: call a path of API 1.0, or "
        "connect it by a private integration token or the app"
    )


def _first(key: CredentialKey, parent: Installation, gone: InstallGone, *, lane: Lane) -> AccessToken:
    try:
        found = access_token.get_or_mint(key, company_id=parent.resource_id, lane=lane)
    except (GrantRevoked, RequestRejected) as error:
        Credential.objects.of_key(key).filter(generation=0).delete()
        log.info("token.not_minted", resource=key.tenant.id, company=parent.resource_id, reason=str(error))
        raise gone from error
    Installation.objects.filter(pk=parent.pk).reconcile_at(clock.now())
    log.info("token.minted_on_demand", resource=key.tenant.id, company=parent.resource_id)
    return found


def _bulk_install(key: CredentialKey) -> Installation | None:
    """The bulk install that the location may belong to. None when it had a token before, or was uninstalled."""
    if key.tenant.user_type != UserType.LOCATION or key.api != Credential.Api.TWO or store.find(key) is not None:
        return None
    own = Installation.objects.locations().filter(app=key.app, resource_id=key.tenant.id)
    if own.uninstalled().exists():
        return None
    company_id = Location.objects.filter(pk=key.tenant.id).values_list("company_id", flat=True).first()
    bulk = Installation.objects.installed().companies().filter(app=key.app, is_bulk=True)
    return bulk.filter(resource_id=company_id or "").first()
