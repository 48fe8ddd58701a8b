"""What custody's own calls (minting, testing a token) do with their permit, beside the good case."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.errors import BadRequest, IntegrationError, QuotaExhausted, Unreachable
from integrations.quota import usage
from integrations.quota.permits import governor
from integrations.quota.permits.governor import Permit
from integrations.quota.permits.lanes import Lane


def be_in_time(permit: Permit) -> None:
    """Raises Unreachable (never sent) when the permit's slot may be another's by now."""
    if clock.monotonic() > permit.send_before:
        raise Unreachable("this process stood still for too long to use its permit", sent=False, retry_after=0.0)


def settle_failed(permit: Permit, error: IntegrationError, lane: Lane) -> None:
    """A request that never left cost nothing; of one whose answer was lost nobody knows."""
    if isinstance(error, BadRequest) or error.context.get("sent") is False:
        return governor.give_back(permit)
    usage.note(permit.key, lane)
    lost, refused = isinstance(error, Unreachable), isinstance(error, QuotaExhausted)
    return governor.settle(permit, received_at=None if lost else clock.monotonic(), rate=None, refused=refused)
