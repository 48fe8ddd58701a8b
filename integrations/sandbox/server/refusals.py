"""What the API answers before an operation is reached: token, quota, version, level, scope, location.

Not every 401 is an expired token: a missing scope and the wrong class of token are 401 too, and only the message tells
them apart. The texts are captured or published ones; a 429's body and the status of a bad version header are not known
for certain (the body is made up, 400 is one report, another measured 401).
"""

from __future__ import annotations

from integrations.sandbox.protocol import ApiError


def not_a_token() -> ApiError:
    """401 for a bearer that is no JWT."""
    return ApiError(401, {"statusCode": 401, "message": "Invalid JWT"})


def dead_token() -> ApiError:
    """401 for an expired or revoked access token."""
    message = "Invalid token: access token is invalid"
    return ApiError(401, {"statusCode": 401, "message": message, "error": "Unauthorized"})


def over_quota() -> ApiError:
    """429."""
    return ApiError(429, {"statusCode": 429, "message": "Too Many Requests"})


def version_missing() -> ApiError:
    """400 for a request without the Version header."""
    return ApiError(400, {"statusCode": 400, "message": "version header was not found."})


def version_unknown() -> ApiError:
    """400 for an unknown Version header."""
    return ApiError(400, {"statusCode": 400, "message": "version header is invalid"})


def removed_in_v3(method: str, path: str) -> ApiError:
    """400 for an operation that v3 no longer has."""
    message = f"Endpoint {method} {path} not available in API version v3. This endpoint was removed in version v3."
    return ApiError(400, {"statusCode": 400, "message": message})


def no_such_path(method: str, path: str) -> ApiError:
    """404 for an unknown path."""
    return ApiError(404, {"statusCode": 404, "message": f"Cannot {method} {path}", "error": "Not Found"})


def wrong_level() -> ApiError:
    """401 for a company token where a location token is needed, or the reverse."""
    message = (
        "This authClass type is not allowed to access this scope. "
        "Please verify your IAM configuration if this is not the case."
    )
    return ApiError(401, {"statusCode": 401, "message": message})


def scope_missing() -> ApiError:
    """401 for a token without the operation's scope."""
    return ApiError(401, {"statusCode": 401, "message": "The token is not authorized for this scope."})


def other_location() -> ApiError:
    """403 for another location's id."""
    return ApiError(403, {"statusCode": 403, "message": "The token does not have access to this location."})


def location_inactive() -> ApiError:
    """400 for a paused location."""
    return ApiError(400, {"statusCode": 400, "message": "Location is not active"})


def unreadable_body() -> ApiError:
    """400 for a body that is not JSON."""
    return ApiError(400, {"statusCode": 400, "message": "Unexpected token in JSON", "error": "Bad Request"})


def invalid(*messages: str) -> ApiError:
    """422 with the vendor's list of messages."""
    body = {"statusCode": 422, "message": list(messages), "error": "Unprocessable Entity"}
    return ApiError(422, body)
