"""Process-wide state that tests reset: caches, counters, learned limits, connections. The one list of it.

Rows and Redis keys go with each test, and what the process knows of them has to go too, or the next test begins with
the knowledge of another. Most modules have a function that a forked process calls for this; tests call the same ones.
"""

from __future__ import annotations

from integrations.console.doctor import health
from integrations.core import counters
from integrations.core.process import activity
from integrations.core.runs import tenant_turns
from integrations.gateway.stats import kept_calls
from integrations.quota.permits import governor, process_memory
from integrations.tenants import marketplace
from integrations.tokens import access_cache
from integrations.vault import row_macs
from integrations.webhooks import inbox


def reset() -> None:
    """Forget what a new process does not know. Before every test."""
    marketplace.reset()  # the row of the settings' app is gone
    process_memory.reset()  # epochs and limits of quota that is gone from Redis
    governor.forget_spares()  # permits of that quota
    access_cache.clear()  # tokens of credentials that are gone
    row_macs.reset()  # the key of a row that is gone
    kept_calls.reset()  # how many failed calls were kept in this minute
    inbox.breaker.reset()  # mailboxes that did not answer
    health.READINESS = health.Readiness()  # services that answered another test
    activity.reset()  # the threads of a worker that ran in this process
    tenant_turns.reset()  # which tenants another test served
    counters.reset_all()  # what another test counted and did not write
