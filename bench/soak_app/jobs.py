"""Jobs of the soak: one writes, one reads a listing, and one crashes while a file exists."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from bench.soak_app.variables import CRASHES_WHILE, WRITES_IN
from hlapp.api import JobRun, background_job


@background_job("soak_app.greet", on="ContactCreate", scopes=("contacts.write",))
def greet(run: JobRun) -> None:
    """Write one note for each new contact of one location. A lost answer leaves it unknown."""
    for event in run.events():
        if run.location == os.environ[WRITES_IN]:
            run.api.contacts.create_note(contactId=event["id"], body={"body": f"greet {event['id']}"})
            run.count("greeted")


@background_job("soak_app.read", every=timedelta(minutes=1))
def read(run: JobRun) -> None:
    """Read two pages of the contacts."""
    pages = run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 20})
    for number, _ in enumerate(run.each(pages)):
        if number == 40:
            return


@background_job("soak_app.crash", on="OpportunityCreate")
def crash(run: JobRun) -> None:
    """Crash on each event while the file exists."""
    for _ in run.events():
        if Path(os.environ[CRASHES_WHILE]).exists():
            raise RuntimeError("a bug of the soak's job")
        run.count("seen")
