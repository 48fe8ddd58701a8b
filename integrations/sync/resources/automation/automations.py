"""Campaigns, workflows and trigger links: short lists that one answer returns whole."""

from __future__ import annotations

from integrations.sync.resources.base import Resource, Single
from integrations.sync.resources.in_api1 import API_1
from integrations.sync.resources.listing_filters import ListingFilter

CAMPAIGNS = Resource(
    name="campaigns",
    operation="campaigns.get-campaigns",
    whole="campaigns",
    elsewhere={"1.0": API_1["campaigns"]},
    filters=(ListingFilter(parameter="status", field="status"),),
)
WORKFLOWS = Resource(
    name="workflows",
    operation="workflows.get-workflow",
    whole="workflows",
    elsewhere={"1.0": API_1["workflows"]},
)
TRIGGER_LINKS = Resource(
    name="trigger_links",
    operation="links.get-links",
    whole="links",
    single=Single("links.get-link-by-id", "linkId", "link"),
)

ALL = (CAMPAIGNS, WORKFLOWS, TRIGGER_LINKS)
