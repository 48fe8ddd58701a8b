"""Handler of the soak: an outbox write for each update of a contact, in the transaction that handles the event."""

from __future__ import annotations

import os

from bench.soak_app.variables import WRITES_IN
from hlapp.api import Event, on_event, outbox


@on_event("ContactUpdate")
def note(event: Event) -> None:
    """Put one note, named after the event, into the outbox. None in the location where the job writes."""
    location, contact = event.payload["locationId"], event.payload["id"]
    if location == os.environ[WRITES_IN]:
        return
    outbox.put(
        "contacts.create-note",
        app=event.app,
        location=location,
        entity=contact,
        key=event.webhook_id,
        params={"contactId": contact},
        body={"body": f"outbox {event.webhook_id}"},
    )
