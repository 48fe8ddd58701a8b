"""The example `tagging`: copy it into `tests/` with the app."""

from hlapp.testing.kit import HighLevel


def test_users_list_and_tag_contacts(highlevel: HighLevel) -> None:
    first, second = highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 2})["contacts"]
    client = highlevel.embedded_client()
    assert "No contacts are synced here yet" in client.get("/tagging/").content.decode()

    highlevel.sync("contacts")

    page = client.get("/tagging/").content.decode()
    assert first["id"] in page
    assert second["id"] in page
    assert client.post("/tagging/", {"contact": [first["id"], second["id"]], "tag": "vip"}).status_code == 302
    for contact in (first["id"], second["id"]):
        (asked,) = highlevel.asked("POST", f"/contacts/{contact}/tags")
        assert asked.body == {"tags": ["vip"]}
