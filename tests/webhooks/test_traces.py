"""One trace from the vendor's post to the handler that a worker runs later."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.core.observing import spans
from integrations.webhooks import handlers, mailbox
from integrations.webhooks.handlers import Handler
from integrations.webhooks.models import Event, Mailbox
from tests.support.traced import traced
from tests.webhooks.conftest import Post, contact

pytestmark = pytest.mark.django_db


def test_a_handler_belongs_to_the_trace_of_its_webhook(post: Post, on: Callable[[str, Handler], None]) -> None:
    def handle(event: Event) -> None:
        with spans.span("work of the handler"):
            pass

    on("ContactUpdate", handle)
    with traced() as found:
        with spans.span("POST", "server"):
            assert post(contact(1)).status_code == 200
        mailbox.drain(Mailbox.objects.get().pk)
        work = found.one("work of the handler")
        assert found.chain(work) == ["work of the handler", "event ContactUpdate", "POST /webhooks/"]
        received = found.one("POST /webhooks/")
        assert received.attributes["tenant"] == "location:loc1"
        assert len({one.context.trace_id for one in found.spans() if one.name != "events together"}) == 1  # type: ignore[union-attr]


def test_without_a_tracer_an_event_keeps_no_trace(post: Post) -> None:
    assert post(contact(1)).status_code == 200
    assert Event.objects.get().trace_parent == ""


def test_events_that_are_handled_together_are_links(on: Callable[..., None], post: Post) -> None:
    def one(event: Event) -> None:
        """Does nothing."""

    handlers.on("Tested", one, batch=lambda events: None)
    with traced() as found:
        for number in (1, 2):
            with spans.span("POST", "server"):
                post(contact(number, type="Tested"))
        mailbox.drain(Mailbox.objects.get().pk)
        together = found.one("events together")
        first, second = [span for span in found.spans() if span.name == "POST /webhooks/"]
    assert together.parent.span_id == first.context.span_id  # type: ignore[union-attr]
    assert [link.context.span_id for link in together.links] == [second.context.span_id]  # type: ignore[union-attr]
    assert together.attributes["events"] == 2
