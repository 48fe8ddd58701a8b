"""The paths by which a job or an app writes, and one turn of a worker on each, at a step of which it dies.

Each path wants its texts at the vendor, as notes or tags of a contact, or as contacts. A page inside HighLevel has no
row: its user sees that it failed, and the view leaves an entry of the audit trail when it did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

from integrations.console.embed.embedded_page import EmbeddedTenant
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import audit
from integrations.core.errors import IntegrationError
from integrations.core.tenant import Tenant
from integrations.highlevel.http.transport import Transport
from integrations.jobs import define, runs, writes
from integrations.jobs.job_run import JobRun
from integrations.outbox import entry_states
from integrations.outbox import runs as outbox_runs
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.upserts import runs as upsert_runs
from integrations.upserts.row_queryset import UpsertRowQuerySet

NOTES = 3  # texts of a round
SHOWN = "chaos.shown"  # the page told its user that the write succeeded
_ENDS = ("/notes", "/tags", "/contacts/upsert")  # of the requests that are counted
What = int | list[str]  # a run's id; of a page location, contact and text


def on_page(run: JobRun) -> None:
    """Writes a note for the first items of a listing."""
    pages = run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 2})
    for number, _ in enumerate(run.each(pages)):
        run.api.contacts.create_note(contactId=_contact(run), body={"body": f"{_label(run)} {number}"})
        if number == NOTES - 1:
            return


def on_event(run: JobRun) -> None:
    """Writes notes for each event."""
    for event in run.events():
        for number in range(NOTES):
            run.api.contacts.create_note(contactId=event["id"], body={"body": f"{event['label']} {number}"})


def once(run: JobRun) -> None:
    """Writes each note under a key."""
    _once(run, look_up=False)


def looked_up(run: JobRun) -> None:
    """Likewise, and looks up what became of a lost answer."""
    _once(run, look_up=True)


def repeatable(run: JobRun) -> None:
    """Adds tags, which may be done twice."""
    for number in range(NOTES):
        run.repeatable.contacts.add_tags(contactId=_contact(run), body={"tags": [f"{_label(run)} {number}"]})


JOBS = {"page": on_page, "event": on_event, "once": once, "looked up": looked_up, "repeatable": repeatable}


def define_jobs() -> None:
    """Define the jobs of the paths under names like `chaos.page`."""
    for path, function in JOBS.items():
        define.background_job(f"chaos.{path}", lane=Lane.EVENTS)(function)


def visit(location: str, contact: str, text: str) -> None:
    """What a view inside HighLevel does with `request.tenant.api`. An error is the page that its user sees."""
    user = EmbeddedUser(0, "", location, "a-user", is_admin=True, is_agency=False)
    tenant = EmbeddedTenant(App.objects.latest("pk"), Tenant.location(location), user)
    try:
        tenant.api.contacts.create_note(contactId=contact, body={"body": text})
    except IntegrationError:
        return
    audit.record(SHOWN, actor=tenant.actor, subject=text)


TURNS: dict[str, Callable[..., None]] = {
    "jobs": runs.advance,
    "outbox": outbox_runs.advance,
    "upserts": upsert_runs.advance,
    "pages": lambda what: visit(*what),
}


@contextmanager
def dying(step: str, die: Callable[[], None]) -> Iterator[None]:
    """Call `die` the first time that a write of a round reaches the step."""
    send = Transport.send

    def sent(transport: Transport, request: Any) -> Any:
        is_write = request.method == "POST" and request.path.endswith(_ENDS)
        if is_write and step == "intent":
            die()
        answer = send(transport, request)
        if is_write and step == "answer":
            die()
        return answer

    def settled(act: Callable[..., Any]) -> Callable[..., Any]:
        def settle(*arguments: Any, **more: Any) -> Any:
            result = act(*arguments, **more)
            if step == "settled":
                die()
            return result

        return settle

    with (
        mock.patch.object(Transport, "send", sent),
        mock.patch.object(writes, "confirm", settled(writes.confirm)),
        mock.patch.object(entry_states, "done", settled(entry_states.done)),
        mock.patch.object(UpsertRowQuerySet, "done", settled(UpsertRowQuerySet.done)),
    ):
        yield


class Death(BaseException):
    """The end of a worker inside this process."""


def advance(room: str, what: What, step: str) -> None:
    """One turn in this process, which dies at the step."""

    def die() -> None:
        raise Death

    try:
        with dying(step, die):
            TURNS[room](what)
    except Death:
        pass


def _once(run: JobRun, *, look_up: bool) -> None:
    params = {"contactId": _contact(run)}

    def find(text: str) -> Any:
        notes = run.api.contacts.get_all_notes(contactId=params["contactId"]).json["notes"]
        return next((note for note in notes if note["body"] == text), None)

    for number in range(NOTES):
        text = f"{_label(run)} {number}"
        found = partial(find, text) if look_up else None
        run.once(text, "contacts.create-note", params, {"body": text}, look_up=found)


def _label(run: JobRun) -> str:
    return str(run.checkpoint["label"])


def _contact(run: JobRun) -> str:
    return str(run.checkpoint["contact"])
