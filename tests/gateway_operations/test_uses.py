"""Finding an operation's callers in source code, in each of the ways it can be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.gateway.codegen import uses
from integrations.highlevel.catalogue import catalogue

V2 = catalogue("v2")


def found(tmp_path: Path, source: str, name: str = "mine.py") -> list[tuple[str, str, str]]:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(source)
    by_key = uses.find(V2, [tmp_path], root=tmp_path)
    return [(use.name, use.caller, use.source) for group in by_key.values() for use in group]


@pytest.mark.parametrize(
    ("source", "who"),
    [
        ('def work():\n    client.call("contacts.get-contact", app=app)\n', "work"),
        ('def work():\n    client.call("get-contact", app=app)\n', "work"),
        ('def work():\n    client.call("GET /contacts/{contactId}", app=app)\n', "work"),
        ('def work():\n    api.contacts.get_contact(contactId="C")\n', "work"),
        ('def work(contacts):\n    contacts.get_contact(contactId="C")\n', "work"),
        ('def work():\n    people = api.contacts\n    people.get_contact(contactId="C")\n', "work"),
        ('@job("mine.work")\ndef work():\n    call("get-contact")\n', "job mine.work"),
        (
            '@jobs.job("mine.work")\nclass Work:\n    def run(self): ...\n    key = "contacts.get-contact"\n',
            "job mine.work",
        ),
        ('R = Resource(name="people", operation="contacts.get-contact")\n', "Resource people"),
        ('\nOPERATION = "contacts.get-contact"\n', "OPERATION"),
        ('\nprint("contacts.get-contact")\n', "mine"),
    ],
)
def test_a_use_is_named_by_what_surrounds_it(tmp_path: Path, source: str, who: str) -> None:
    ((key, named, source_line),) = found(tmp_path, source)
    assert (key, named) == ("contacts.get-contact", who)
    assert source_line.startswith("mine.py:")


@pytest.mark.parametrize(
    "source",
    [
        'x = "get-contact"\n',  # an id by itself may be any word
        'log("get-contact")\n',
        "api.contacts.get_nothing()\n",
        "people.get_contact()\n",
        "contacts = api.users\ncontacts.get_contact()\n",
        "get_contact()\n",
        "call(name)\ncall(5)\ncall()\n",
    ],
)
def test_what_is_no_use(tmp_path: Path, source: str) -> None:
    assert found(tmp_path, source) == []


@pytest.mark.parametrize("name", ["facade/v2/contacts.py", "tests/test_it.py", "migrations/0001_initial.py"])
def test_generated_files_and_tests_do_not_count(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, 'KEY = "contacts.get-contact"\n', name) == []


def test_a_listing_is_used_by_its_pages_too(tmp_path: Path) -> None:
    ((key, _, _),) = found(tmp_path, "for page in api.users.search_users_pages(): ...\n")
    assert key == "users.search-users"
