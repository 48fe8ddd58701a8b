"""What a visitor gets when a view, or what is round it, fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from pytest_django import Settings

from integrations.core import errors

SECRET = "refresh-token-canary"
raised: list[BaseException] = []


def view(request: HttpRequest) -> HttpResponse:
    raise raised[-1]


urlpatterns = [path("", view)]
handler400 = "integrations.console.errors.responses.bad_request"
handler404 = "integrations.console.errors.responses.not_found"
handler500 = "integrations.console.errors.responses.failed"


class Broken:
    """A middleware that finds the database gone, as the session's does when it saves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raise raised[-1]


@pytest.fixture(autouse=True)
def our_urls(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


def answer(error: BaseException, accept: str = "text/html") -> HttpResponse:
    raised.append(error)
    return Client(raise_request_exception=False).get("/", headers={"accept": accept})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.StateInvalid("x"), 400),
        (errors.SignatureInvalid("x"), 401),
        (errors.PayloadTooLarge("x"), 413),
        (errors.BadRequest("x"), 400),
        (errors.InstallGone("x"), 404),
        (errors.GrantRevoked("x"), 409),
        (errors.RequestRejected("x"), 502),
        (errors.ClientRejected("x"), 502),
        (errors.SealBroken("x"), 500),
        (errors.QuotaExhausted("x"), 503),
        (errors.Unreachable("x"), 503),
        (Http404("x"), 404),
        (OperationalError("x"), 503),
        (InterfaceError("x"), 503),
        (RuntimeError("x"), 500),
    ],
)
def test_the_kind_of_failure_decides_the_status(error: Exception, status: int) -> None:
    assert answer(error).status_code == status


@pytest.mark.parametrize("kind", [errors.Permanent, OperationalError, RuntimeError, Http404])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_nothing_internal_is_shown(kind: type[Exception], accept: str) -> None:
    body = answer(kind(SECRET), accept).content.decode()
    assert SECRET not in body
    assert "Traceback" not in body


def test_the_page_says_what_to_do_and_what_support_asks_for() -> None:
    page = answer(errors.RequestRejected("no", vendor=errors.VendorAnswer(trace_id="trace-77"))).content.decode()
    assert "trace-77" in page
    assert "request_rejected" in page
    assert "people who run this integration" in page


def test_a_client_that_asks_for_json_gets_json() -> None:
    response = answer(errors.GrantRevoked("no", vendor=errors.VendorAnswer(trace_id="t1")), "application/json")
    error = response.json()["error"]  # type: ignore[attr-defined]
    assert response.status_code == 409
    assert (error["code"], error["trace_id"]) == ("grant_revoked", "t1")


def test_any_type_means_a_page() -> None:
    assert answer(errors.BadRequest("x"), "*/*")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(("given", "sent"), [(7.2, "8"), (0.01, "1"), (None, "5")])
def test_retry_after_is_whole_seconds_and_never_zero(given: float | None, sent: str) -> None:
    assert answer(errors.QuotaExhausted("x", retry_after=given))["Retry-After"] == sent


def test_a_database_lost_in_a_middleware_is_an_outage_too() -> None:
    with override_settings(MIDDLEWARE=["integrations.console.errors.middleware.ErrorPages", f"{__name__}.Broken"]):
        response = answer(OperationalError(SECRET))
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert SECRET not in response.content.decode()
