"""Timing constants of permits, tickets and fences: how late a call may be, and how the numbers depend on each other.

A fence keeps a state that was lost from granting the quota that calls in flight still use. It rests a window and
`SLACK` from the loss, so a call granted before the loss has to be counted `SLACK` after it: it lies in hand for
`UNCHECKED` at most until its start (a longer one is checked again), is sent `PUNCTUAL` after its start at
the latest (its `send_before`, checked before every request; both are counted from before the store was asked), and
is on its way to the vendor's count for `FORWARD`, connecting included. Nothing can enforce that last one: a way that
takes longer just while a state is lost may be one call too many. Without a loss no permit depends on it.

A call whose answer was lost counts as received `FORWARD` after it was given up. A slot that is out is another's a
window, the call's time-out and `SPARE` after its start: by then the call was sent, given up, and counted. A ticket's
slot is another's a window and `VALID` after its start unless the ticket was redeemed; redeeming asks the store, so no
fence has to wait for tickets, and from then on a permit's terms hold.
"""

from __future__ import annotations

UNCHECKED = 0.5
PUNCTUAL = 1.5
FORWARD = 1.0
SLACK = 3.0
SPARE = 10.0
VALID = 5.0

assert UNCHECKED + PUNCTUAL + FORWARD <= SLACK, "a call in flight may be counted after the fence"
assert PUNCTUAL + FORWARD <= SPARE, "a call may be counted after its slot's deadline"
