"""Time limits of permits and tickets, in seconds: how late a call may be, and how the numbers depend on each other.

When Redis lost a state, a *fence* keeps the new state from granting the quota that calls in flight still use: all slots
rest for a window and `SLACK` from the loss. So a call granted before the loss has to be counted by the vendor within
`SLACK` after it. Its three delays add up to that:

- the worker holds the permit for at most `RECHECK_AFTER` until its start (after a longer wait it asks Redis again);
- the worker sends the request at most `SEND_WITHIN` after the start (`send_before`, checked before every request; both
  are counted from before Redis was asked);
- the vendor counts the request at most `COUNTED_WITHIN` after it was sent, connecting included. Nothing can enforce
  this one: a request that takes longer, just while a state is lost, may be one call too many. Without a loss no permit
  depends on it.

A call whose answer was lost counts as received `COUNTED_WITHIN` after the worker gave it up. A granted slot that is not
reported is free again a window, the call's time-out and `REPORT_MARGIN` after its start: by then the call was sent,
given up and counted. A ticket's slot is free again a window and `TICKET_VALID` after its start unless the ticket was
redeemed. Redeeming asks Redis, so no fence has to wait for tickets; then the rules of a permit hold.
"""

from __future__ import annotations

RECHECK_AFTER = 0.5
SEND_WITHIN = 1.5
COUNTED_WITHIN = 1.0
SLACK = 3.0
REPORT_MARGIN = 10.0
TICKET_VALID = 5.0

assert RECHECK_AFTER + SEND_WITHIN + COUNTED_WITHIN <= SLACK, "a call in flight may be counted after the fence"
assert SEND_WITHIN + COUNTED_WITHIN <= REPORT_MARGIN, "a call may be counted after its slot's deadline"
