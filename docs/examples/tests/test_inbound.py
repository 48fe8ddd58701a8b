"""The example `inbound`: copy it into `tests/` with the app."""

from hlapp.testing.kit import HighLevel


def test_a_message_becomes_a_note_and_the_opportunity_moves_on(highlevel: HighLevel) -> None:
    pipeline = highlevel.call("opportunities.get-pipelines")["pipelines"][0]
    first, second = (stage["id"] for stage in pipeline["stages"][:2])
    contact = highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 1})["contacts"][0]["id"]
    deal = {"pipelineId": pipeline["id"], "pipelineStageId": first, "name": "Deal", "status": "open"}
    deal |= {"contactId": contact, "locationId": highlevel.location}
    made = highlevel.call("opportunities.create-opportunity", body=deal)["opportunity"]["id"]

    for _ in range(2):
        highlevel.deliver("InboundMessage", contactId=contact, messageId="one", body="yes")

    notes = [one.body["body"] for one in highlevel.asked("POST", f"/contacts/{contact}/notes")]
    assert [note for note in notes if note.startswith("Wrote")] == ["Wrote: yes"]
    now = highlevel.call("opportunities.get-opportunity", params={"id": made})["opportunity"]
    assert now["pipelineStageId"] == second
