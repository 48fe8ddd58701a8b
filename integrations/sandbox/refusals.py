"""The vendor's error answers: those of the gate (token, quota, version, scope, location) and those of the operations.

A missing scope and a token of the wrong class are 401 too, as an expired token is. Only the message shows the
difference. The texts were captured or published, with two exceptions: the body of a 429 is made up, and the status of a
bad version header is uncertain (400 is one report, another measured 401). The shapes are those of the OpenAPI files'
common schemas (BadRequestDTO, UnprocessableDTO). A missing object is a 400, because no operation documents a 404.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox.protocol import ApiError


def not_a_token() -> ApiError:
    """401 for a bearer that is no JWT."""
    return ApiError(401, {"statusCode": 401, "message": "Invalid JWT"})


def dead_token() -> ApiError:
    """401 for an expired or revoked access token."""
    message = "Invalid token: access token is invalid"
    return ApiError(401, {"statusCode": 401, "message": message, "error": "Unauthorized"})


def over_quota() -> ApiError:
    """429 for a used-up burst window or day."""
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


def not_in_the_sandbox(method: str, path: str) -> ApiError:
    """501 for an operation of the vendor that the sandbox does not play. The vendor itself never answers so."""
    return ApiError(501, {"statusCode": 501, "message": f"{method} {path} is not in the sandbox"})


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


def other_company() -> ApiError:
    """403 for another company's id."""
    return ApiError(403, {"statusCode": 403, "message": "The token does not have access to this company."})


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


def bad_request(message: str, **more: Any) -> ApiError:
    """400 with a message."""
    return ApiError(400, {"statusCode": 400, "message": message, "error": "Bad Request", **more})


def not_found(noun: str, row_id: str) -> ApiError:
    """400 for a missing object, such as `not_found("Contact", contact_id)`."""
    return bad_request(f"{noun} with id {row_id} not found")
