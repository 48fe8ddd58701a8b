"""After an unexplained 401: tests the access token by one read, and decides whether it is replaced.

HighLevel answers 401 for many reasons (FACTS 1.5), and a refresh cures only one of them: it would spend a refresh token
on every call of a route that does not exist. So one cheap read at another path decides. Only when the vendor refuses
that read too is the token replaced. A credential is asked about, and for this reason replaced, at most once in `EVERY`,
however many calls get such a 401.
"""

from __future__ import annotations

from datetime import timedelta

from integrations.core import clock
from integrations.core.errors import GrantRevoked, IntegrationError, RequestRejected
from integrations.highlevel.errors import Unexplained401
from integrations.quota.permits.lanes import Lane
from integrations.tokens import store
from integrations.tokens.access import probe
from integrations.tokens.access_cache import AccessToken
from integrations.tokens.models import Credential, CredentialKey

EVERY = timedelta(hours=1)
ANSWERED_AFTER = timedelta(seconds=probe.DEADLINE_SECONDS * 1.5)  # by then the process that asked has its answer


def judge(key: CredentialKey, access: AccessToken, refusal: Unexplained401, *, path: str, lane: Lane) -> None:
    """Return when the token is to be replaced, or was replaced meanwhile. `path` is that of the refused call.

    Raises RequestRejected when the token works elsewhere: the call is at fault. Raises `refusal` when this is not
    known now; it may be soon.
    """
    now = clock.now()
    if not store.begin_doubt(access.credential_id, access.generation, now=now, every=EVERY):
        row = Credential.objects.filter(pk=access.credential_id).first()
        if row is None or row.generation != access.generation or row.rejected_generation == row.generation:
            return
        if row.doubted_at is not None and now - row.doubted_at > ANSWERED_AFTER:
            raise _call_at_fault(refusal)
        raise refusal
    try:
        probe.check(key, access.token, kind=access.kind, lane=lane, apart_from=path)
    except GrantRevoked:
        return
    except IntegrationError as error:
        store.end_doubt(access.credential_id)
        raise refusal from error
    raise _call_at_fault(refusal)


def _call_at_fault(refusal: Unexplained401) -> RequestRejected:
    return RequestRejected(
        "HighLevel answers 401 to this call and accepts the same token for others: check its method and path, and what "
        "this token may do",
        vendor=refusal.vendor,
        operation=refusal.operation,
        reason=refusal.reason,
    )
