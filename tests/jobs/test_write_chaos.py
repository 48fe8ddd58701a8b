"""A few rounds of `bench.chaos_writes`, in this process: no write happens twice, and none is silently left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from integrations.tenants.models import App
from tests.jobs import write_chaos
from tests.jobs.write_chaos import PATHS, WriteChaos
from tests.plugin.vendor import Vendor, run_vendor

pytestmark = pytest.mark.django_db


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """One that takes many calls, so that no round waits for a permit."""
    yield from run_vendor(contacts=20, locations=1, limit=1_000, seed=7_777)


def test_writes_under_lost_answers_deaths_and_duplicates(app: App, location: str, vendor: Vendor) -> None:
    write_chaos.define_jobs()
    api = write_chaos.api_of(app, location)
    contacts = [one["id"] for one in api.contacts.search_contacts_advanced(body={"pageLimit": 20}).json["contacts"]]

    def fault(kind: str, contact: str) -> None:
        vendor.fault(f"/contacts/{contact}/notes", kind, times=1)

    def held(_location: str, contact: str, text: str) -> int:
        notes = api.contacts.get_all_notes(contactId=contact).json["notes"]
        return sum(note["body"] == text for note in notes)

    chaos = WriteChaos(app, fault=fault, held=held, take=write_chaos.advance, seed=5)
    rounds = [chaos.play(number, location, contacts[number]) for number in range(2 * len(PATHS))]
    verdicts = Counter(one.verdict for one in rounds)
    assert set(verdicts) <= {"once", "says unknown"}, [one for one in rounds if one.verdict not in ("once",)]
    assert verdicts["once"] > len(PATHS)
    assert sum(one.decided for one in rounds) > 0
