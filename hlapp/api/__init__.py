"""The public surface: everything that an own app may import from hlapp. All else may change with any version.

`docs/extending.md` says how long a name here stays as it is, and `docs/reference.md`, which is generated from this
package, has the signature of each. Import it in any module of an app but its `apps.py`: models are not loaded there.
"""

from __future__ import annotations

from integrations.console.embed.embedded_page import EmbeddedPage, EmbeddedRequest, EmbeddedTenant, embedded_page
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.console.navigation import add_page
from integrations.core import clock, errors
from integrations.core.audit.entries import record as audit
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant, UserType
from integrations.gateway.client import Page, Result
from integrations.gateway.for_tenant import tenant_api
from integrations.highlevel.oauth.payment_notice import Payment
from integrations.jobs.define import background_job
from integrations.jobs.job_run import JobRun
from integrations.modules import billing, triggers
from integrations.modules.answers import ModuleCall, answers
from integrations.outbox import outbox
from integrations.privacy.holding import Holding
from integrations.privacy.inventory import declare as declare_personal_data
from integrations.privacy.purge_scope import Scope as PurgeScope
from integrations.quota.permits.lanes import Lane
from integrations.sync.feed.change_feed import ChangeFeed, RecordChange
from integrations.sync.queries import opened
from integrations.sync.resources import ListingRequest, Parent, Resource, Single
from integrations.sync.resources import register as sync_resource
from integrations.sync.typed.record_selection import RecordRow, RecordSelection
from integrations.sync.typed.synced import records
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.lifecycle_hooks import on as on_change
from integrations.tenants.models import App
from integrations.upserts import bulk_upsert
from integrations.webhooks.handlers import on_event
from integrations.webhooks.models import Event

__all__ = [
    "App",
    "ChangeFeed",
    "EmbeddedPage",
    "EmbeddedRequest",
    "EmbeddedTenant",
    "EmbeddedUser",
    "Event",
    "Holding",
    "InstallationChange",
    "JobRun",
    "Lane",
    "ListingRequest",
    "ModuleCall",
    "Page",
    "Parent",
    "Payment",
    "PurgeScope",
    "RecordChange",
    "RecordRow",
    "RecordSelection",
    "Resource",
    "Result",
    "Secret",
    "Single",
    "Tenant",
    "UserType",
    "add_page",
    "answers",
    "audit",
    "background_job",
    "billing",
    "bulk_upsert",
    "clock",
    "declare_personal_data",
    "embedded_page",
    "errors",
    "on_change",
    "on_event",
    "opened",
    "outbox",
    "records",
    "sync_resource",
    "tenant_api",
    "triggers",
]
