"""How many threads of a web process may do at once what takes long, for requests that anybody can send.

The vendor and the identity provider may take seconds, a check of a password takes a quarter of a second of CPU. Of the
8 threads of a process most have to stay for webhooks, pages and probes meanwhile. One place is kept for browsers that
prove by a cookie that they were here, so that strangers who guess codes or passwords close the way to nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from integrations.quota.request_limits import AtOnce

AT_ONCE = 3  # threads of a process
OF_STRANGERS = AT_ONCE - 1


class ThreadBudget:
    """Places for one kind of work. `name` distinguishes the budgets."""

    def __init__(self, name: str) -> None:
        self._all, self._strangers = AtOnce(name, AT_ONCE), AtOnce(name, OF_STRANGERS)
        self._mine = threading.local()

    @contextmanager
    def one(self, *, is_known: bool) -> Iterator[None]:
        """Around the work: holds one of the places, also for what the same thread does of it further inside.

        `is_known`: the browser has proven that it was here. Raises TooManyRequests at once when no place is free.
        """
        if getattr(self._mine, "held", False):
            yield
            return
        with nullcontext() if is_known else self._strangers.one(), self._all.one():
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False


OUTBOUND = ThreadBudget("outbound")  # calls of the vendor and the identity provider together
PASSWORDS = ThreadBudget("passwords")
