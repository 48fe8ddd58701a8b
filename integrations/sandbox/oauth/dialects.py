"""The two dialects of `POST /oauth/token`, field names and error bodies: API 2.0 (snake_case) and v3 (camelCase).

API 2.0 answers `{"error", "error_description"}`, v3 `{"statusCode", "message"}`. Captured and
published bodies are exact. The others are marked and follow the OAuth library that words the known ones.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

V3_FIELDS = {
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "grant_type": "grantType",
    "refresh_token": "refreshToken",
    "user_type": "userType",
    "redirect_uri": "redirectUri",
}
V3_ANSWERS = {
    "access_token": "accessToken",
    "token_type": "tokenType",
    "expires_in": "expiresIn",
    "refresh_token": "refreshToken",
}


class TokenRefused(Exception):
    """A refusal of the token endpoint. `field` is the API 2.0 name of the wrong parameter."""

    def __init__(self, kind: str, field: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.field = field


def to_v3(answer: Body) -> Body:
    """A token answer with the field names of v3; `refreshTokenId` is left out."""
    return {V3_ANSWERS.get(name, name): value for name, value in answer.items() if name != "refreshTokenId"}


def refusal(error: TokenRefused, *, v3: bool) -> tuple[int, Body]:
    """Status and body for this refusal in the caller's dialect."""
    if error.kind == "inactive":
        return 400, {"statusCode": 400, "message": "Location is not active"}
    if error.kind == "empty":
        name = V3_FIELDS[error.field] if v3 else error.field
        message = [f"{name} should not be empty"]
        return 422, {"statusCode": 422, "message": message, "error": "Unprocessable Entity"}
    return _v3(error) if v3 else _v2(error)


def _v2(error: TokenRefused) -> tuple[int, Body]:
    status, code, description = {
        "missing": (400, "invalid_request", f"Missing parameter: {error.field}"),  # not captured
        "invalid": (400, "invalid_request", f"Invalid parameter: {error.field}"),  # not captured
        "code": (400, "invalid_grant", "Invalid grant: authorization code is invalid"),  # not captured
        "refresh": (400, "invalid_grant", "This refresh token is invalid"),
        "malformed": (400, "invalid_grant", "Invalid refresh token"),
        "client": (401, "invalid_client", "Invalid client credentials!"),
        "grant_type": (
            400,
            "unsupported_grant_type",
            "Unsupported grant type: `grant_type` is invalid",
        ),  # not captured
    }[error.kind]
    return status, {"error": code, "error_description": description}


def _v3(error: TokenRefused) -> tuple[int, Body]:
    name = V3_FIELDS.get(error.field, error.field)
    status, message = {
        "missing": (400, f"Missing parameter: {name}"),
        "invalid": (400, f"Invalid parameter: {name}"),
        "code": (400, "Invalid grant: authorization code is invalid"),  # not captured
        "refresh": (400, "Invalid grant: refresh token is invalid"),
        "malformed": (400, "Invalid grant: refresh token is invalid"),
        "client": (401, "Invalid client credentials!"),
        "grant_type": (400, "Invalid parameter: grantType"),
    }[error.kind]
    body: Body = {"statusCode": status, "message": message}
    return status, body if status == 400 else {**body, "error": "Unauthorized"}
