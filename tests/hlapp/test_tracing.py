"""Traces and error reports: nothing is loaded unless wanted, what is sent has no secret, processes share a trace."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from django.db import DatabaseError
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from hlapp.observing import error_reports, request_scope, tracing
from integrations.core.observing import log_scope, spans
from tests.support import row_errors
from tests.support.processes import running
from tests.support.traced import traced

pytest.importorskip("sentry_sdk")

import sentry_sdk
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import StatusCode
from sentry_sdk.transport import Transport

from hlapp.observing import sentry

SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ." + "canary" * 7
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
_LOADED = """
import sys
import hlapp.{module}
senders = "hlapp.observing.otel", "hlapp.observing.sentry", "opentelemetry.exporter", "sentry_sdk"
found = [name for name in senders if name in sys.modules]  # redis imports a part of OpenTelemetry by itself
print("loaded", *found, flush=True)
"""


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("module", ["wsgi", "celery"])
def test_a_process_that_sends_nothing_loads_nothing_for_it(module: str) -> None:
    with running("-c", _LOADED.format(module=module), LOG_LEVEL="CRITICAL") as process:
        process.hear("loaded")


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "app"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_made_when_the_standard_variables_name_a_collector(environ: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(environ) is wanted


def test_spans_cost_nothing_without_a_tracer() -> None:
    assert spans.span("one", tenant="l1") is spans.span("another")
    spans.note("name", status=200)
    assert (spans.parent(), spans.carried()) == ("", {})


@pytest.fixture
def at_end() -> Iterator[None]:
    yield
    spans.set_tracer(None)


def test_spans_arrive_at_the_collector(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, at_end: None) -> None:
    httpserver.expect_request("/v1/traces", method="POST").respond_with_data(b"")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": httpserver.url_for("/"), "OTEL_RESOURCE_ATTRIBUTES": "site=eu"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    tracing.start("web", variables)
    with spans.span("outside"), spans.span("inside", "client", tenant="location:l1"):
        pass
    spans._tracer.provider.shutdown()  # type: ignore[union-attr]
    [(request, _)] = httpserver.log
    [sent] = ExportTraceServiceRequest.FromString(request.get_data()).resource_spans
    about = {one.key: one.value.string_value for one in sent.resource.attributes}
    assert (about["service.name"], about["site"]) == ("hlapp-web", "eu")
    inside, outside = sent.scope_spans[0].spans
    assert (inside.name, inside.parent_span_id) == ("inside", outside.span_id)


def test_nothing_of_a_secret_is_in_a_span() -> None:
    def call_out() -> None:
        with spans.span("call", path=f"/x?code={SECRET}", access_token=SECRET):
            spans.note(answer=f"Bearer {SECRET}", nothing=None)
            raise ConnectionError(f"redis://:{SECRET}@host/0")

    with traced() as found:
        with pytest.raises(ConnectionError):
            call_out()
        call = found.one("call")
    assert call.status.status_code is StatusCode.ERROR
    assert call.status.description.startswith("ConnectionError")
    assert "canary" not in call.to_json()
    assert "nothing" not in call.attributes
    assert not call.events


@pytest.mark.parametrize(("proxies", "known"), [(1, True), (0, False)])
def test_a_request_joins_the_trace_of_the_proxy(settings: Settings, proxies: int, known: bool) -> None:
    settings.TRUSTED_PROXIES = proxies
    seen: list[Any] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        log_scope.note(tenant="location:l1")
        start_response("201 Created", [])
        seen.append(log_scope.current())
        return []

    before = log_scope.current()
    with traced() as found:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "HTTP_TRACEPARENT": PARENT}
        request_scope.identified(application)(environ, lambda *_: None)
        span = found.one("GET")
        after = log_scope.current()
    log_scope.begin(**before)
    assert span.attributes["http.response.status_code"] == 201
    trace = format(span.context.trace_id, "032x")
    assert (trace == TRACE) is known
    # The line of the access log comes after the span, and has its trace and what was noted.
    assert seen[0]["trace"] == after["trace"] == trace
    assert after["tenant"] == "location:l1"


@pytest.mark.parametrize("module", [tracing, error_reports])
def test_without_the_packages_a_line_says_what_to_install(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("hlapp.observing.otel", "hlapp.observing.sentry"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("opentelemetry", "sentry_sdk"):
        monkeypatch.setitem(sys.modules, name, None)
    tracing.start("web", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    error_reports.start("https://key@sentry.example/1", "web", "0.1.0")
    said = capsys.readouterr().err
    assert "no traces, because opentelemetry is missing: pip install 'hlapp[observability]'" in said
    assert "no error reports, because sentry_sdk is missing" in said
    assert module is not None


class Kept(Transport):
    """Keeps what would be sent."""

    events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events += [item.payload.json for item in envelope.items]


@pytest.fixture
def reported() -> Iterator[list[Any]]:
    Kept.events = []
    root = logging.getLogger()
    before = [*root.handlers]
    sentry.start("https://key@sentry.example/1", "worker", "0.1.0", transport=Kept)
    yield Kept.events
    root.handlers[:] = before
    sentry_sdk.init()


def test_an_error_is_reported_with_its_ids_and_without_secrets(reported: list[Any]) -> None:
    log = structlog.get_logger("integrations.some.room")
    with log_scope.scope(tenant="location:l1", run=7):
        try:
            local = SECRET
            raise ConnectionError(f"redis://:{local}@host/0")
        except ConnectionError:
            log.exception("call.broke", answer=f"Bearer {SECRET}", credential=9, access_token=SECRET)
        logging.getLogger("celery.worker").error("lost %r", {"access_token": SECRET})
        log.warning("nothing.to_report")
    sentry_sdk.flush()
    first, second = reported
    assert first["message"] == "call.broke"
    assert first["exception"]["values"][0]["type"] == "ConnectionError"
    assert first["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"]
    assert {"tenant": "location:l1", "run": "7"}.items() <= first["tags"].items()
    assert first["release"] == "0.1.0"
    assert second["message"].startswith("lost")
    assert "canary" not in json.dumps(reported)
    assert "vars" not in json.dumps(reported)


@pytest.mark.django_db
def test_no_row_that_the_database_refused_is_reported_or_traced(reported: list[Any]) -> None:
    log = structlog.get_logger("integrations.some.room")

    def fail(error: Exception) -> None:
        with spans.span("write"):
            raise RuntimeError("not stored") from error

    with traced() as found:
        for error in row_errors.raised():
            try:
                fail(error)
            except RuntimeError:
                log.exception("write.broke")
            with suppress(DatabaseError), spans.span("insert"):
                raise error
        told = [one.to_json() for one in found.spans()]
    sentry_sdk.flush()
    assert (len(reported), len(told)) == (4, 8)
    everything = json.dumps([*reported, *told])
    assert "person_name_check" in everything
    assert [word for word in row_errors.WORDS if word in everything] == []
