"""The example `reminders`: copy it into `tests/` with the app."""

from datetime import timedelta

from hlapp.api import clock
from hlapp.testing.kit import HighLevel


def test_each_appointment_is_reminded_of_once(highlevel: HighLevel) -> None:
    calendar = highlevel.call("calendars.get-calendars")["calendars"][0]["id"]
    reached, unreached = (
        highlevel.call("contacts.create-contact", body={"locationId": highlevel.location, **fields})["contact"]["id"]
        for fields in ({"firstName": "Ann", "phone": "+15550100200"}, {"firstName": "Bob", "email": "bob@example.com"})
    )
    for hours, contact in ((5, reached), (6, unreached), (60, reached)):
        at = clock.now() + timedelta(hours=hours)
        appointment = {"calendarId": calendar, "locationId": highlevel.location, "contactId": contact}
        times = {"startTime": at.isoformat(), "endTime": (at + timedelta(minutes=30)).isoformat()}
        highlevel.call("calendars.create-appointment", body={**appointment, **times, "title": f"In {hours} h"})

    first = highlevel.go_on(highlevel.run_job("reminders.send"))
    highlevel.advance(timedelta(days=1))
    (next_evening,) = highlevel.run_due_jobs()

    assert [(run.status, run.error) for run in (first, next_evening)] == [("complete", "")] * 2
    ours = [one.body["message"] for one in highlevel.asked("POST", "/conversations/messages")]
    assert len(ours) == len(set(ours))
    assert [message for message in ours if "In 5 h" in message]
    assert not any("In 6 h" in message or "In 60 h" in message for message in ours)
