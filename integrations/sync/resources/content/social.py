"""Social posts, accounts, categories, tags and queues. v3 has moved them to another file; only v3 has queues.

The vendor lists posts in a range of time. A run asks for the last two years and the next, a year at a time.
"""

from __future__ import annotations

from datetime import timedelta

from integrations.sync.resources.base import SOMETIMES, Resource, Single
from integrations.sync.resources.dates import iso
from integrations.sync.resources.windows import Windows

SOCIAL_POSTS = Resource(
    name="social_posts",
    operation="social-media-posting.get-posts",
    every=SOMETIMES,
    body={"type": "all", "includeUsers": "false"},
    windows=Windows(
        start="fromDate",
        end="toDate",
        write=iso,
        places="createdAt",
        past=timedelta(days=730),
        ahead=timedelta(days=366),
        step=timedelta(days=366),
    ),
    single=Single("social-media-posting.get-post", "id", "results.post"),
    elsewhere={
        "v3": {
            "operation": "social-planner.get-posts",
            "single": Single("social-planner.get-post", "id", "results.post"),
        }
    },
)
SOCIAL_ACCOUNTS = Resource(
    name="social_accounts",
    operation="social-media-posting.get-account",
    whole="results.accounts",
    elsewhere={"v3": {"operation": "social-planner.get-account"}},
)
SOCIAL_CATEGORIES = Resource(
    name="social_categories",
    operation="social-media-posting.get-categories-location-id",
    elsewhere={"v3": {"operation": "social-planner.get-categories-location-id"}},
)
SOCIAL_TAGS = Resource(
    name="social_tags",
    operation="social-media-posting.get-tags-location-id",
    elsewhere={"v3": {"operation": "social-planner.get-tags-location-id"}},
)
SOCIAL_QUEUES = Resource(
    name="social_queues",
    operation="social-planner.fetchQueues",
    single=Single("social-planner.fetchQueueById", "queueId", "results.queue"),
    api="v3",
    elsewhere={"v2": None},
)

ALL = (SOCIAL_POSTS, SOCIAL_ACCOUNTS, SOCIAL_CATEGORIES, SOCIAL_TAGS, SOCIAL_QUEUES)
