"""Who answers moves on: a note on the contact, and the next stage for its opportunities in the first one."""

from __future__ import annotations

from hlapp.api import JobRun, background_job

SCOPES = ("contacts.write", "opportunities.readonly", "opportunities.write")


@background_job("inbound.move_on", on="InboundMessage", scopes=SCOPES)
def move_on(run: JobRun) -> None:
    """Note each message that comes in, and move the opportunities of its contact to the second stage."""
    second = second_stages(run)
    for event in run.events():
        contact, message = event["contactId"], event["messageId"]
        body = {"body": f"Wrote: {event['body']}"}
        run.once(f"note {message}", "contacts.create-note", {"contactId": contact}, body)
        found = run.api.opportunities.search_opportunity(contact_id=contact, status="open").json["opportunities"]
        for opportunity in found:
            stage = second.get(opportunity["pipelineStageId"])
            if stage is not None:
                # Repeating it changes nothing, so no key is needed.
                run.repeatable.opportunities.update_opportunity(id=opportunity["id"], body={"pipelineStageId": stage})
                run.count("moved")


def second_stages(run: JobRun) -> dict[str, str]:
    """The second stage of each pipeline, by the id of its first one."""
    pipelines = run.api.opportunities.get_pipelines().json["pipelines"]
    stages = [[stage["id"] for stage in pipeline["stages"]] for pipeline in pipelines]
    return {ids[0]: ids[1] for ids in stages if len(ids) > 1}
