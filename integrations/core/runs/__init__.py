"""Engine for durable runs: work that survives its worker, done in turns, each of which may be killed at any moment.

A *plan* says what is done for which tenant and when next. A *run* is one execution of it. Its row has the state of the
work, a due time and a lease, so the dispatcher finds a run whose worker died or whose message was lost.

`models`     the columns that every room's plans and runs have
`shares`     how many runs of one job or tenant are at work at a time
`querysets`  the state transitions of runs and plans: claim, renew, hand back, park, end, cancel, resume, start
`source`     the due source of a room's runs, for the dispatcher
`turn`       one turn of a run: a room subclasses `Turn` and says what the work is and what an ending means for the plan
"""
