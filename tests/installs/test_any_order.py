"""Property: after any order, duplication and loss of notices, one reconciliation makes the books equal the vendor's.

The stories are made of what people do at the vendor's (install, uninstall, transfer, rename, ...) and of what reaches
us of it (webhooks in any order, twice or never; callbacks; reconciliations at any time). The handlers, the callback,
the reconciler and the database are the real ones, and the vendor's clock is ahead or behind.

`--hypothesis-profile=thorough` runs 2,000 stories.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.installs.story import AT_VENDOR, begin

__all__ = ["begin"]

EXAMPLES = settings.default.max_examples if settings.default and settings.default.max_examples >= 1_000 else 60
EVENTS = ("deliver", "deliver", "deliver", "repeat", "lose")
HERE = (*EVENTS, "callback", "callback", "lose_code", "reconcile", "hooks", "crashing_hook")
STEPS = st.tuples(st.sampled_from((*AT_VENDOR, "add_location", *HERE)), st.integers(0, 5), st.integers(0, 2))


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(st.lists(STEPS, max_size=30), st.sampled_from((-6, -2, 0, 2, 6)))
def test_one_reconciliation_makes_the_books_equal_the_vendors(
    begin: Any, steps: list[tuple[str, int, int]], skew: int
) -> None:
    story = begin(timedelta(seconds=skew))
    for what, which, other in steps:
        story.step(what, which, other)
    story.reconcile()
    story.check()
    story.check_history()
