"""Problems: failures that have one cause, over all tenants.

A failure stays where it is recorded: a failed call, a failed attempt of an event, a failed run, an entry of an outbox.
Twice a minute `roll_up` reads what was recorded since and counts it by cause (`cause`). So a failure costs nothing more
when it happens, and a hundred thousand of one cause are a few updates of one row.

An operator sees a problem once, however many tenants it has: tries all of its failures again, mutes it, gives it to
an operator, or calls it fixed. A problem that was fixed and is seen again is open again.
"""
