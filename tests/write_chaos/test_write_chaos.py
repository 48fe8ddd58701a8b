"""A few rounds of `bench.chaos_writes`, in this process: no write happens twice, and none is silently left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from integrations.tenants.models import App
from tests.jobs.conftest import app as app
from tests.jobs.conftest import location as location
from tests.plugin.vendor import Vendor, run_vendor
from tests.write_chaos import paths, rounds
from tests.write_chaos.rounds import BY_ITSELF, PATHS, Round, WriteChaos

pytestmark = pytest.mark.django_db


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """One that takes many calls, so that no round waits for a permit."""
    yield from run_vendor(contacts=20, locations=1, limit=1_000, seed=7_777)


def test_writes_under_lost_answers_deaths_and_duplicates(app: App, location: str, vendor: Vendor) -> None:
    paths.define_jobs()
    api = rounds.api_of(app, location)
    contacts = [one["id"] for one in api.contacts.search_contacts_advanced(body={"pageLimit": 20}).json["contacts"]]

    def fault(kind: str, path: str) -> None:
        vendor.fault(path, kind, times=1)

    def held(this: Round, text: str) -> int:
        if this.path == "repeatable":
            return int(text in api.contacts.get_contact(contactId=this.contact).json["contact"]["tags"])
        if this.path == "bulk upsert":
            return int(api.contacts.search_contacts_advanced(body={"query": text, "pageLimit": 5}).json["total"])
        notes = api.contacts.get_all_notes(contactId=this.contact).json["notes"]
        return sum(note["body"] == text for note in notes)

    chaos = WriteChaos(app, fault=fault, held=held, take=paths.advance, seed=5)
    played = [chaos.play(number, location, contacts[number]) for number in range(2 * len(PATHS))]
    verdicts = Counter(one.verdict for one in played)
    assert set(verdicts) <= {"once", "says unknown"}, [one for one in played if one.verdict not in ("once",)]
    assert {one.verdict for one in played if one.path in BY_ITSELF} == {"once"}
    assert verdicts["once"] > len(PATHS)
    assert sum(one.decided for one in played) > 0
