"""A job for real workers (`celery -A hlapp worker -I tests.jobs.tagging`): one call for each contact of a listing."""

from __future__ import annotations

from integrations.jobs.define import background_job
from integrations.jobs.job_run import JobRun


@background_job("tests.tagging")
def tag(run: JobRun) -> None:
    """Tags everybody."""
    for contact in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 30})):
        run.api.contacts.add_tags(contactId=contact["id"], body={"tags": ["seen"]})
        run.count("tagged")
