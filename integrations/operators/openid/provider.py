"""The identity provider: discovery, the address to sign in at, and the ID token for a code. By authlib and joserfc.

Everything that counts comes from the ID token, whose signature is checked with the provider's published keys: issuer,
audience, nonce, times, and at most two minutes of difference between clocks. Only asymmetric signatures count.
"""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import httpx2
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from integrations.core.errors import SignatureInvalid, Unreachable
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.quota import thread_budgets

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
_SECONDS = 10.0
_LEEWAY = 120  # seconds
_DISCOVERY_KEPT = 3600  # seconds


@dataclass(frozen=True, slots=True)
class OpenIdAccount:
    """Who signed in, as the provider says. `groups` are the values of the claim that gives roles."""

    subject: str
    name: str
    email: str
    groups: frozenset[str]


def is_configured() -> bool:
    """Whether the deployment has an identity provider."""
    return bool(settings.OPERATOR_OIDC_ISSUER)


def address(*, redirect_uri: str, state: str, nonce: str, verifier: Secret, now: datetime) -> str:
    """Where the browser goes to sign in. Raises Unreachable, and TooManyRequests (`thread_budgets`)."""
    endpoint = _metadata(now)["authorization_endpoint"]
    with _client(redirect_uri) as client:
        url, _ = client.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier.reveal())
    return str(url)


def account(code: Secret, *, redirect_uri: str, nonce: str, verifier: Secret, now: datetime) -> OpenIdAccount:
    """Who signed in, for the code of the callback. Raises Unreachable and SignatureInvalid."""
    metadata = _metadata(now)
    try:
        with sensitive(), _client(redirect_uri) as client:
            token = client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code.reveal(),
                code_verifier=verifier.reveal(),
            )
    except httpx2.HTTPError as error:
        raise Unreachable(f"the identity provider did not answer: {type(error).__name__}") from None
    except Exception as error:
        raise SignatureInvalid("the identity provider refused the code", reason=type(error).__name__) from None
    return _from_claims(_claims(token, metadata, nonce, now))


def _claims(token: Any, metadata: dict[str, Any], nonce: str, now: datetime) -> dict[str, Any]:
    """The claims of the ID token, verified."""
    try:
        with sensitive():
            keys = KeySet.import_key_set(cast(Any, _fetched(metadata["jwks_uri"])))
            decoded = jwt.decode(token["id_token"], key=keys, registry=JWSRegistry(algorithms=ALGORITHMS))
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "values": [metadata["issuer"]]},
                    "aud": {"essential": True, "value": settings.OPERATOR_OIDC_CLIENT_ID},
                    "nonce": {"essential": True, "value": nonce},
                },
                {"nonce": nonce, "client_id": settings.OPERATOR_OIDC_CLIENT_ID, "access_token": token["access_token"]},
            )
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY)
    except (JoseError, KeyError, TypeError, ValueError) as error:
        raise SignatureInvalid("the identity provider's answer is not valid", reason=type(error).__name__) from None
    return dict(claims)


def _from_claims(claims: dict[str, Any]) -> OpenIdAccount:
    found = claims.get(settings.OPERATOR_OIDC_CLAIM, [])
    groups = found if isinstance(found, list) else str(found).split()
    email = str(claims.get("email", ""))
    name = str(claims.get("preferred_username") or email or claims["sub"])
    return OpenIdAccount(str(claims["sub"]), name, email, frozenset(map(str, groups)))


def _metadata(now: datetime) -> dict[str, Any]:
    """The provider's discovery document, kept for an hour. Raises Unreachable."""
    return _discovered(settings.OPERATOR_OIDC_ISSUER, int(now.timestamp()) // _DISCOVERY_KEPT)


@functools.lru_cache(maxsize=2)
def _discovered(issuer: str, _hour: int) -> dict[str, Any]:
    with thread_budgets.OUTBOUND.one(is_known=False):  # unless the thread holds one already
        found = _fetched(f"{issuer}/.well-known/openid-configuration")
    wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    same_scheme = all(str(found.get(name, "")).startswith(issuer.partition("://")[0] + "://") for name in wanted)
    if str(found.get("issuer", "")).rstrip("/") != issuer or not same_scheme:
        raise Unreachable("the identity provider's discovery document is for another issuer, or incomplete")
    return found


def _fetched(url: str) -> dict[str, Any]:
    try:
        with httpx2.Client(timeout=_SECONDS, trust_env=False, verify=_trusted()) as client:
            answer = client.get(url)
            answer.raise_for_status()
            found = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise Unreachable(f"the identity provider did not answer: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise Unreachable("the identity provider answered something else than an object")
    return found


def _client(redirect_uri: str) -> OAuth2Client:
    return OAuth2Client(
        client_id=settings.OPERATOR_OIDC_CLIENT_ID,
        client_secret=settings.OPERATOR_OIDC_CLIENT_SECRET,
        scope="openid profile email",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        timeout=_SECONDS,
        trust_env=False,
        verify=_trusted(),
    )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The machine's certificate authorities. Made once: reading them takes longer than a request."""
    return httpx2.create_ssl_context(trust_env=False)
