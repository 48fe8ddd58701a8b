"""The timeline: from any id to what led to it and what followed, in the order of time.

::

    event ── job runs ── calls ── records                 `kinds` has the kinds, `walk` follows the links
                     ├── writes
                     └── bulk upserts ── runs ── calls ── records
                                     └── rows ── records

From where one begins, links are followed up (what led to it) and down (what followed). What was reached on the way up
is followed up only, and on the way down only down: another event of the same run has nothing to do with the call that
an operator looks at. Every look-up has an index and a limit.
"""
