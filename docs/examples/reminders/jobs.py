"""Every evening, a message to everybody who has an appointment until the next one."""

from __future__ import annotations

from datetime import timedelta

from hlapp.api import JobRun, Lane, background_job

SCOPES = ("calendars.readonly", "calendars/events.readonly", "contacts.readonly", "conversations/message.write")
AHEAD = timedelta(hours=26)  # longer than any day; the key keeps it to one message


@background_job("reminders.send", at="20:00", lane=Lane.EVENTS, scopes=SCOPES)
def send(run: JobRun) -> None:
    """Remind of each appointment once, whatever happens to the run."""
    begin, end = (str(round(at.timestamp() * 1000)) for at in (run.started_at, run.started_at + AHEAD))
    for calendar in run.track(run.api.calendars.get_calendars().json["calendars"]):
        span = {"calendarId": calendar["id"], "startTime": begin, "endTime": end}
        for event in run.api.calendars.get_calendar_events(**span).json["events"]:
            if event.get("contactId") and event["appointmentStatus"] in ("new", "confirmed"):
                # The vendor refuses a message to a contact without a number, and a refusal would end the run.
                if not run.api.contacts.get_contact(contactId=event["contactId"]).json["contact"].get("phone"):
                    run.count("without phone")
                    continue
                message = f"See you at {event['startTime']}: {event['title']}"
                body = {"type": "SMS", "contactId": event["contactId"], "message": message}
                run.once(f"reminder {event['id']}", "conversations.send-a-new-message", body=body)
                run.count("reminded")
